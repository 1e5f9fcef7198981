"""The object store against the sandbox's S3: written once, checked, presigned, clear when down."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from vixen_testkit import listening_socket

from vixen_pipeline.errors import Permanent, Unavailable
from vixen_pipeline.providers import objects
from vixen_pipeline.providers.endpoints import objects_endpoint
from vixen_pipeline.providers.objects import S3Objects, build_object_store
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.settings import Settings


@pytest.fixture
def store(settings: Settings, sandbox: Sandbox) -> S3Objects:
    return S3Objects(objects_endpoint(settings), presign_seconds=60, read_timeout_s=2)


def key_of(data: bytes) -> str:
    return f"images/{hashlib.sha256(data).hexdigest()}.jpg"


def test_a_second_write_of_a_key_is_a_success_and_changes_nothing(store: S3Objects) -> None:
    first = store.put(key_of(b"one"), b"one", "image/jpeg")
    assert store.put(key_of(b"one"), b"other", "image/jpeg").key == first.key
    assert store.get(key_of(b"one")) == b"one"


def test_the_sha256_and_the_content_type_are_kept_with_the_object(store: S3Objects) -> None:
    store.put("a.jpg", b"one", "image/jpeg")
    reply = httpx.get(store.presign("a.jpg"))
    assert reply.headers["content-type"] == "image/jpeg"
    assert reply.headers["x-amz-meta-sha256"] == hashlib.sha256(b"one").hexdigest()


def test_a_large_file_goes_up_in_parts(
    store: S3Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "SINGLE_PUT_BYTES", 1 << 20)
    monkeypatch.setattr(objects, "PART_BYTES", 5 << 20)
    path = tmp_path / "weights.tar"
    path.write_bytes(bytes(range(256)) * (48 << 10))
    stored = store.put_file("weights/w.tar", path, "application/x-tar")
    assert stored.bytes == 12 << 20
    assert store.get("weights/w.tar") == path.read_bytes()
    assert store.put_file("weights/w.tar", path, "application/x-tar") == stored


def test_a_presigned_url_ends_with_its_time_and_with_any_change(
    store: S3Objects, sandbox: Sandbox
) -> None:
    store.put("a.jpg", b"one", "image/jpeg")
    store.put("b.jpg", b"two", "image/jpeg")
    url = store.presign("a.jpg", 300)
    assert httpx.get(url).content == b"one"
    assert httpx.get(url.replace("a.jpg", "b.jpg")).status_code == 403
    assert httpx.get(url.split("?")[0]).status_code == 403
    sandbox.control.advance(301)
    assert httpx.get(url).status_code == 403


@pytest.mark.parametrize("seconds", [0, -1, 604_801])
def test_a_life_that_the_server_would_refuse_is_refused_here(
    store: S3Objects, seconds: int
) -> None:
    with pytest.raises(Permanent, match="lives 1 to"):
        store.presign("a.jpg", seconds)


@pytest.mark.parametrize("status", [500, 503])
def test_a_store_that_is_down_is_unavailable_in_one_line_and_a_retry_is_clean(
    store: S3Objects, sandbox: Sandbox, status: int
) -> None:
    store.put("warm.jpg", b"warm", "image/jpeg")
    sandbox.control.fault("s3", "error", status=status, count=objects.ATTEMPTS)
    with pytest.raises(Unavailable, match="cannot be used just now") as caught:
        store.put("a.jpg", b"one", "image/jpeg")
    assert "\n" not in str(caught.value)
    assert store.put("a.jpg", b"one", "image/jpeg").bytes == 3


def test_one_hiccup_is_not_even_noticed(store: S3Objects, sandbox: Sandbox) -> None:
    store.put("warm.jpg", b"warm", "image/jpeg")
    sandbox.control.fault("s3", "drop_reply", phase="after", count=1)
    assert store.put("a.jpg", b"one", "image/jpeg").bytes == 3
    assert store.get("a.jpg") == b"one"


def test_no_room_says_so(store: S3Objects, sandbox: Sandbox) -> None:
    store.put("warm.jpg", b"warm", "image/jpeg")
    sandbox.control.fault("s3", "disk_full")
    with pytest.raises(Unavailable, match="no room left"):
        store.put("a.jpg", b"one", "image/jpeg")
    assert store.put("a.jpg", b"one", "image/jpeg").bytes == 3


def test_a_stall_ends_within_the_time_out(settings: Settings, sandbox: Sandbox) -> None:
    store = S3Objects(objects_endpoint(settings), presign_seconds=60, read_timeout_s=0.3)
    store.exists("warm")
    sandbox.control.fault("s3", "stall", seconds=2, count=objects.ATTEMPTS)
    begun = time.monotonic()
    with pytest.raises(Unavailable):
        store.get("a.jpg")
    assert time.monotonic() - begun < 8


def test_a_store_that_is_not_there_is_unavailable_and_named(settings: Settings) -> None:
    sock = listening_socket()
    port = sock.getsockname()[1]
    sock.close()
    gone = settings.model_copy(update={"sandbox_url": f"http://127.0.0.1:{port}"})
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port}"):
        build_object_store(gone).put("a.jpg", b"one", "image/jpeg")


def test_a_refused_key_is_permanent(settings: Settings, sandbox: Sandbox) -> None:
    wrong = settings.model_copy(update={"sandbox_token": SecretStr("w" * 40)})
    with pytest.raises(Permanent, match="VIXEN_S3_ACCESS_KEY_ID") as caught:
        build_object_store(wrong).put("a.jpg", b"one", "image/jpeg")
    assert caught.value.code == "auth"


def test_a_live_bucket_is_never_made_here(settings: Settings, sandbox: Sandbox) -> None:
    endpoint = replace(objects_endpoint(settings), owned=False, bucket="not-there")
    sandbox.control.fault("s3", "no_bucket", route="PUT /not-there/a.jpg")
    with pytest.raises(Permanent, match="no bucket not-there"):
        S3Objects(endpoint, presign_seconds=60).put("a.jpg", b"one", "image/jpeg")


def test_damaged_bytes_are_never_handed_out(store: S3Objects, sandbox: Sandbox) -> None:
    store.put("a.jpg", b"one and only", "image/jpeg")
    sandbox.control.fault("s3", "corrupt", route="GET */a.jpg")
    with pytest.raises(Permanent, match="damaged"):
        store.get("a.jpg")
