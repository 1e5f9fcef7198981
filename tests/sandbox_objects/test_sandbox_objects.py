"""Unmodified boto3 against the sandbox's object store over real HTTP."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from s3_kit import BUCKET, MIB, code_of, files_in, status_of

from vixen_pipeline.sandbox.testing import Sandbox


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
