"""Signatures are really checked: in the header and in presigned URLs, with their expiry."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from s3_kit import BUCKET, client_of, code_of, files_in, presigned, status_of

from vixen_pipeline.sandbox.testing import Sandbox


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


def test_a_presigned_url_works_until_it_expires_by_sandbox_time(sandbox: Sandbox, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="a b+c/ü.bin", Body=b"content")
    url = presigned(s3)
    assert httpx.get(url).content == b"content"
    assert httpx.get(url, headers={"Range": "bytes=0-2"}).content == b"con"
    sandbox.control.advance(61)
    late = httpx.get(url)
    assert late.status_code == 403
    assert "AccessDenied" in late.text and "Request has expired" in late.text


def test_an_altered_presigned_url_is_refused(sandbox: Sandbox, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="a b+c/ü.bin", Body=b"content")
    url = presigned(s3)
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


def test_a_presigned_life_of_more_than_a_week_is_refused(sandbox: Sandbox, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="a b+c/ü.bin", Body=b"content")
    assert httpx.get(presigned(s3, seconds=604_800)).status_code == 200
    answer = httpx.get(presigned(s3, seconds=604_801))
    assert (answer.status_code, "AuthorizationQueryParametersError" in answer.text) == (400, True)


def test_a_presigned_put_takes_a_body_and_response_headers_can_be_signed(
    sandbox: Sandbox, s3: Any
) -> None:
    url = presigned(s3, "put_object", ContentType="text/plain")
    assert httpx.put(url, content=b"up", headers={"Content-Type": "text/plain"}).status_code == 200
    get = presigned(s3, ResponseContentDisposition='attachment; filename="x.bin"')
    assert httpx.get(get).headers["content-disposition"] == 'attachment; filename="x.bin"'
    assert httpx.head(presigned(s3, "head_object")).headers["content-length"] == "2"
