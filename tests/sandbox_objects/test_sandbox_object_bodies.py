"""Bodies on their way in and out: checksums, framing, faults, breaking off, memory."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from s3_kit import BUCKET, MIB, client_of, code_of, files_in, presigned, status_of
from vixen_testkit import wait_until

from vixen_pipeline.sandbox.objects_body import Frames
from vixen_pipeline.sandbox.testing import Sandbox, sandbox_server


@pytest.mark.parametrize("when", ["when_supported", "when_required"])
@pytest.mark.parametrize("algorithm", [None, "CRC32", "SHA1", "SHA256"])
def test_checksums_are_taken_and_given_back(
    sandbox: Sandbox, when: str, algorithm: str | None
) -> None:
    config = Config(request_checksum_calculation=when, response_checksum_validation=when)
    client = client_of(sandbox, config=config)
    options = {} if algorithm is None else {"ChecksumAlgorithm": algorithm}
    client.put_object(Bucket=BUCKET, Key="k", Body=b"content", **options)
    got = client.get_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"content"
    if algorithm is not None:
        assert got[f"Checksum{algorithm}"]


def test_a_wrong_checksum_is_a_bad_digest(sandbox: Sandbox, s3: Any) -> None:
    for options in ({"ChecksumCRC32": "AAAAAA=="}, {"ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}):
        with pytest.raises(ClientError) as caught:
            s3.put_object(Bucket=BUCKET, Key="k", Body=b"content", **options)
        assert code_of(caught) == "BadDigest"
    assert files_in(sandbox) == []


@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_chunked_framing_is_undone_whatever_the_cuts(cut: int) -> None:
    content = os.urandom(70)
    wire = b"40\r\n" + content[:64] + b"\r\n6\r\n" + content[64:] + b"\r\n0\r\n"
    wire += b"x-amz-checksum-crc32:AAAA\r\n\r\n"
    frames = Frames()
    pieces = [frames.feed(wire[start : start + cut]) for start in range(0, len(wire), cut)]
    assert b"".join(piece for some in pieces for piece in some) == content
    assert frames.end() == {"x-amz-checksum-crc32": "AAAA"}


def test_a_streamed_upload_with_a_trailing_checksum_is_understood(
    sandbox: Sandbox, s3: Any
) -> None:
    content = b"a" * 100_000
    wire = b"186a0\r\n" + content + b"\r\n0\r\nx-amz-checksum-sha256:"
    digest = hashlib.sha256(content).digest()
    wire += base64.b64encode(digest) + b"\r\n\r\n"
    url = f"{sandbox.url}/s3/{BUCKET}/framed"
    headers = {
        "host": sandbox.url.removeprefix("http://"),
        "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-trailer": "x-amz-checksum-sha256",
        "x-amz-decoded-content-length": "100000",
        "content-encoding": "aws-chunked",
    }

    class Framed(S3SigV4Auth):
        def payload(self, request: Any) -> str:
            return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    signed = AWSRequest(method="PUT", url=url, headers=headers, data=wire)
    Framed(Credentials(sandbox.token[:20], sandbox.token), "s3", "auto").add_auth(signed)
    assert httpx.put(url, content=wire, headers=dict(signed.headers)).status_code == 200
    got = s3.get_object(Bucket=BUCKET, Key="framed")
    assert got["Body"].read() == content
    assert "ContentEncoding" not in got


def test_ordered_faults_are_errors_with_their_codes(sandbox: Sandbox, s3: Any) -> None:
    for kind, code, status in (
        ("unavailable", "ServiceUnavailable", 503),
        ("disk_full", "InsufficientStorage", 507),
        ("no_bucket", "NoSuchBucket", 404),
        ("error", "InternalError", 500),
        ("rate_limit", "TooManyRequests", 429),
    ):
        sandbox.control.fault("s3", kind)
        with pytest.raises(ClientError) as caught:
            s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")
        assert (code_of(caught), status_of(caught)) == (code, status)
    assert files_in(sandbox) == []
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")


def test_disk_full_strikes_writes_only(sandbox: Sandbox, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    sandbox.control.fault("s3", "disk_full", count=None)
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"x"
    with pytest.raises(ClientError):
        s3.put_object(Bucket=BUCKET, Key="k", Body=b"y")
    sandbox.control.clear_faults()
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"x"


def test_reads_can_be_corrupted_or_find_nothing(sandbox: Sandbox, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"content")
    sandbox.control.fault("s3", "corrupt", route="GET /vixen/k")
    url = presigned(client_of(sandbox), Key="k")
    assert httpx.get(url).content[1:] == b"ontent" != b"content"
    sandbox.control.fault("s3", "vanish")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="k")
    assert code_of(caught) == "NoSuchKey"
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"content"


def test_an_upload_that_breaks_off_leaves_nothing(sandbox: Sandbox) -> None:
    url = presigned(client_of(sandbox), "put_object")
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        path = f"{parts.path}?{parts.query}"
        head = f"PUT {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 5000)
    wait_until(lambda: files_in(sandbox) == [], seconds=10)
    with psycopg.connect(sandbox.database_url) as connection:
        assert connection.execute("SELECT count(*) FROM s3_objects").fetchone() == (0,)


def test_a_large_body_goes_through_without_being_held_in_memory(s3: Any) -> None:
    process = psutil.Process()
    before = process.memory_info().rss
    sent = (b"x" * MIB for _ in range(96))
    headers = {"Content-Length": str(96 * MIB)}
    url = presigned(s3, "put_object")
    assert httpx.put(url, content=sent, headers=headers, timeout=60).status_code == 200
    with httpx.stream("GET", presigned(s3), timeout=60) as answer:
        assert sum(len(piece) for piece in answer.iter_bytes()) == 96 * MIB
    assert process.memory_info().rss - before < 48 * MIB


def test_many_readers_and_writers_each_get_their_own_bytes(s3: Any) -> None:
    bodies = {f"k{number}": os.urandom(2 * MIB) for number in range(6)}

    def there_and_back(key: str) -> bool:
        s3.put_object(Bucket=BUCKET, Key=key, Body=bodies[key])
        return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == bodies[key]

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(there_and_back, bodies))


def test_objects_outlive_a_restart_and_end_with_a_reset(sandbox: Sandbox, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"kept")
    with sandbox_server(sandbox.database_url, sandbox.objects_dir, token=sandbox.token) as again:
        assert client_of(again).get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"kept"
    assert sandbox.control.state()["objects"] == 1
    sandbox.control.reset()
    assert files_in(sandbox) == []
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
