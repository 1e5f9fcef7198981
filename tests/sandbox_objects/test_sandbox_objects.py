"""Unmodified boto3 against the sandbox's object store over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import psutil
import psycopg
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from vixen_testkit import wait_until

from vixen_pipeline.sandbox.objects_body import Frames
from vixen_pipeline.sandbox.testing import Sandbox, sandbox_server

BUCKET = "vixen"
MIB = 1024 * 1024


def client_of(sandbox: Sandbox, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "endpoint_url": f"{sandbox.url}/s3",
        "region_name": "auto",
        "aws_access_key_id": sandbox.token[:20],
        "aws_secret_access_key": sandbox.token,
        "config": Config(retries={"max_attempts": 0}, max_pool_connections=20),
    }
    return boto3.client("s3", **{**values, **changes})


@pytest.fixture
def s3(sandbox: Sandbox) -> Generator[Any]:
    client = client_of(sandbox)
    yield client
    client.close()


def files_in(sandbox: Sandbox) -> list[Path]:
    return [path for path in (sandbox.objects_dir / "_s3").rglob("*") if path.is_file()]


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def status_of(error: pytest.ExceptionInfo[ClientError]) -> int:
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_what_is_put_comes_back_with_its_headers_and_metadata(s3: Any) -> None:
    body = os.urandom(3000)
    put = s3.put_object(
        Bucket=BUCKET,
        Key="a/ü +&%.png",
        Body=body,
        ContentType="image/png",
        Metadata={"sha256": "x"},
    )
    got = s3.get_object(Bucket=BUCKET, Key="a/ü +&%.png")
    assert got["Body"].read() == body
    assert (got["ContentType"], got["Metadata"]) == ("image/png", {"sha256": "x"})
    assert got["ETag"] == put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    head = s3.head_object(Bucket=BUCKET, Key="a/ü +&%.png")
    assert head["ContentLength"] == 3000
    assert abs(head["LastModified"] - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_second_put_replaces_the_first_and_leaves_no_file_behind(
    sandbox: Sandbox, s3: Any
) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"one")
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"two")
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"two"
    assert len(files_in(sandbox)) == 1
    s3.delete_object(Bucket=BUCKET, Key="k")
    s3.delete_object(Bucket=BUCKET, Key="k")
    assert files_in(sandbox) == []
    with pytest.raises(ClientError) as missing:
        s3.get_object(Bucket=BUCKET, Key="k")
    assert code_of(missing) == "NoSuchKey"
    with pytest.raises(ClientError) as head:
        s3.head_object(Bucket=BUCKET, Key="k")
    assert status_of(head) == 404


@pytest.mark.parametrize(
    ("sent", "expected", "shown"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=8-", b"89", "bytes 8-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=5-99", b"56789", "bytes 5-9/10"),
    ],
)
def test_ranges_are_served(s3: Any, sent: str, expected: bytes, shown: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"0123456789")
    got = s3.get_object(Bucket=BUCKET, Key="k", Range=sent)
    assert (got["Body"].read(), got["ContentRange"]) == (expected, shown)


def test_a_range_past_the_end_is_refused(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"0123456789")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="k", Range="bytes=10-")
    assert (code_of(caught), status_of(caught)) == ("InvalidRange", 416)


def test_reads_obey_their_conditions(s3: Any) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")["ETag"]
    with pytest.raises(ClientError) as unchanged:
        s3.get_object(Bucket=BUCKET, Key="k", IfNoneMatch=etag)
    assert status_of(unchanged) == 304
    with pytest.raises(ClientError) as changed:
        s3.get_object(Bucket=BUCKET, Key="k", IfMatch='"other"')
    assert status_of(changed) == 412


def test_only_one_of_many_writers_creates_a_new_object(sandbox: Sandbox, s3: Any) -> None:
    def write(number: int) -> bool:
        try:
            s3.put_object(Bucket=BUCKET, Key="once", Body=str(number), IfNoneMatch="*")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(16))) == 1
    assert len(files_in(sandbox)) == 1


def test_lists_are_in_byte_order_paged_and_grouped(s3: Any) -> None:
    keys = ["a/1", "a/2", "a/b/1", "b/1", "b%2", "c d+é", "z"]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")

    def pages(**options: Any) -> list[Any]:
        paginator = s3.get_paginator("list_objects_v2")
        return list(paginator.paginate(Bucket=BUCKET, **options))

    def listed(**options: Any) -> list[str]:
        return [item["Key"] for page in pages(**options) for item in page.get("Contents", [])]

    ordered = sorted(keys, key=str.encode)
    assert listed() == ordered
    assert listed(PaginationConfig={"PageSize": 2}) == ordered
    assert listed(Prefix="a/") == ["a/1", "a/2", "a/b/1"]
    assert listed(StartAfter="b/1") == ["c d+é", "z"]
    for size in (1, 3, 1000):
        grouped = pages(Delimiter="/", PaginationConfig={"PageSize": size})
        groups = [group["Prefix"] for page in grouped for group in page.get("CommonPrefixes", [])]
        assert groups == ["a/", "b/"]
        found = [item["Key"] for page in grouped for item in page.get("Contents", [])]
        assert found == ["b%2", "c d+é", "z"]
    assert listed(Prefix="nothing") == []


def test_buckets_exist_and_are_listed_and_only_empty_ones_are_deleted(s3: Any) -> None:
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "auto"})
    s3.head_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [BUCKET]
    with pytest.raises(ClientError) as caught:
        s3.delete_bucket(Bucket=BUCKET)
    assert code_of(caught) == "BucketNotEmpty"
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "k"}, {"Key": "gone"}]})
    assert len(answer["Deleted"]) == 2
    s3.delete_bucket(Bucket=BUCKET)


def test_a_large_file_goes_up_in_parts_and_comes_down_whole(
    sandbox: Sandbox, s3: Any, tmp_path: Path
) -> None:
    source, target = tmp_path / "up", tmp_path / "down"
    source.write_bytes(os.urandom(13 * MIB))
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_file(
        str(source), BUCKET, "weights.tar", {"Metadata": {"sha256": "abc"}}, Config=config
    )
    head = s3.head_object(Bucket=BUCKET, Key="weights.tar")
    assert head["ETag"].endswith('-3"')
    assert head["Metadata"] == {"sha256": "abc"}
    s3.download_file(BUCKET, "weights.tar", str(target), Config=config)
    assert target.read_bytes() == source.read_bytes()
    assert len(files_in(sandbox)) == 1


def test_multipart_mistakes_are_refused_and_an_abort_leaves_nothing(
    sandbox: Sandbox, s3: Any
) -> None:
    where = {"Bucket": BUCKET, "Key": "k"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    where = {**where, "UploadId": upload}
    etags = [s3.upload_part(**where, PartNumber=number, Body=b"small")["ETag"] for number in (1, 2)]
    assert len(s3.list_parts(**where)["Parts"]) == 2

    def complete(*parts: tuple[int, str]) -> Any:
        listed = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        return s3.complete_multipart_upload(**where, MultipartUpload={"Parts": listed})

    for parts, code in (
        (((1, etags[0]), (2, etags[1])), "EntityTooSmall"),
        (((1, '"0"'),), "InvalidPart"),
        (((2, etags[1]), (1, etags[0])), "InvalidPartOrder"),
    ):
        with pytest.raises(ClientError) as caught:
            complete(*parts)
        assert code_of(caught) == code
    s3.abort_multipart_upload(**where)
    assert files_in(sandbox) == []
    with pytest.raises(ClientError) as gone:
        complete((1, etags[0]))
    assert code_of(gone) == "NoSuchUpload"


# ---- signatures -----------------------------------------------------------------------------


def test_wrong_keys_and_unsigned_requests_are_refused(sandbox: Sandbox) -> None:
    stranger = client_of(sandbox, aws_secret_access_key="wrong")
    with pytest.raises(ClientError) as mismatch:
        stranger.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    assert (code_of(mismatch), status_of(mismatch)) == ("SignatureDoesNotMatch", 403)
    unknown = client_of(sandbox, aws_access_key_id="somebody")
    with pytest.raises(ClientError) as nobody:
        unknown.list_objects_v2(Bucket=BUCKET)
    assert code_of(nobody) == "InvalidAccessKeyId"
    assert httpx.get(f"{sandbox.url}/s3/{BUCKET}/k").status_code == 403
    assert files_in(sandbox) == []


def test_an_altered_request_does_not_match_its_signature(sandbox: Sandbox, s3: Any) -> None:
    captured: dict[str, Any] = {}
    s3.meta.events.register(
        "before-send.s3", lambda request, **_: captured.update(vars(request)) and None
    )
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"body", Metadata={"a": "b"})
    headers = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in captured["headers"].items()
        if name.lower() not in ("expect", "content-length")
    }
    url = captured["url"]
    assert httpx.put(url, content=b"body", headers=headers).status_code == 200
    other = httpx.put(url, content=b"evil", headers=headers)
    assert (other.status_code, "XAmzContentSHA256Mismatch" in other.text) == (400, True)
    assert "SignatureDoesNotMatch" in httpx.put(url + "2", content=b"body", headers=headers).text
    changed = {**headers, "x-amz-meta-a": "c"}
    assert "SignatureDoesNotMatch" in httpx.put(url, content=b"body", headers=changed).text
    more = {**headers, "x-amz-meta-more": "c"}
    assert httpx.put(url, content=b"body", headers=more).status_code == 403
    old = {**headers, "x-amz-date": "20200101T000000Z"}
    assert httpx.put(url, content=b"body", headers=old).status_code in (400, 403)
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"body"


def presigned(s3: Any, method: str = "get_object", seconds: int = 60, **params: Any) -> str:
    return s3.generate_presigned_url(
        method, Params={"Bucket": BUCKET, "Key": "a b+c/ü.bin", **params}, ExpiresIn=seconds
    )


@pytest.fixture
def signer(sandbox: Sandbox) -> Any:
    return client_of(sandbox, config=Config(signature_version="s3v4"))


def test_a_presigned_url_works_until_it_expires_by_sandbox_time(
    sandbox: Sandbox, signer: Any
) -> None:
    signer.put_object(Bucket=BUCKET, Key="a b+c/ü.bin", Body=b"content")
    url = presigned(signer)
    assert httpx.get(url).content == b"content"
    assert httpx.get(url, headers={"Range": "bytes=0-2"}).content == b"con"
    sandbox.control.advance(61)
    late = httpx.get(url)
    assert late.status_code == 403
    assert "AccessDenied" in late.text and "Request has expired" in late.text


def test_an_altered_presigned_url_is_refused(sandbox: Sandbox, signer: Any) -> None:
    signer.put_object(Bucket=BUCKET, Key="a b+c/ü.bin", Body=b"content")
    url = presigned(signer)
    for altered in (
        url.replace("X-Amz-Expires=60", "X-Amz-Expires=600"),
        url.replace(".bin", ".tar"),
        url + "&response-content-type=text/html",
        url[:-1] + ("0" if url[-1] != "0" else "1"),
    ):
        assert altered != url
        answer = httpx.get(altered)
        assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)
    assert httpx.put(url, content=b"x").status_code == 403


def test_a_presigned_life_of_more_than_a_week_is_refused(sandbox: Sandbox, signer: Any) -> None:
    signer.put_object(Bucket=BUCKET, Key="a b+c/ü.bin", Body=b"content")
    assert httpx.get(presigned(signer, seconds=604_800)).status_code == 200
    answer = httpx.get(presigned(signer, seconds=604_801))
    assert (answer.status_code, "AuthorizationQueryParametersError" in answer.text) == (400, True)


def test_a_presigned_put_takes_a_body_and_response_headers_can_be_signed(
    sandbox: Sandbox, signer: Any
) -> None:
    url = presigned(signer, "put_object", ContentType="text/plain")
    assert httpx.put(url, content=b"up", headers={"Content-Type": "text/plain"}).status_code == 200
    get = presigned(signer, ResponseContentDisposition='attachment; filename="x.bin"')
    assert httpx.get(get).headers["content-disposition"] == 'attachment; filename="x.bin"'
    assert httpx.head(presigned(signer, "head_object")).headers["content-length"] == "2"


# ---- bodies ---------------------------------------------------------------------------------


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


# ---- faults ---------------------------------------------------------------------------------


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
    url = presigned(client_of(sandbox, config=Config(signature_version="s3v4")), Key="k")
    assert httpx.get(url).content[1:] == b"ontent" != b"content"
    sandbox.control.fault("s3", "vanish")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="k")
    assert code_of(caught) == "NoSuchKey"
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"content"


def test_an_upload_that_breaks_off_leaves_nothing(sandbox: Sandbox) -> None:
    url = presigned(client_of(sandbox, config=Config(signature_version="s3v4")), "put_object")
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        path = f"{parts.path}?{parts.query}"
        head = f"PUT {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 5000)
    wait_until(lambda: files_in(sandbox) == [], seconds=10)
    with psycopg.connect(sandbox.database_url) as connection:
        assert connection.execute("SELECT count(*) FROM s3_objects").fetchone() == (0,)


def test_a_large_body_goes_through_without_being_held_in_memory(signer: Any) -> None:
    process = psutil.Process()
    before = process.memory_info().rss
    sent = (b"x" * MIB for _ in range(96))
    headers = {"Content-Length": str(96 * MIB)}
    url = presigned(signer, "put_object")
    assert httpx.put(url, content=sent, headers=headers, timeout=60).status_code == 200
    with httpx.stream("GET", presigned(signer), timeout=60) as answer:
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
