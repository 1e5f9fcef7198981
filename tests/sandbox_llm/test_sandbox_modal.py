"""The inference endpoint over real HTTP: credentials, weights, pictures by id, following 303."""

from __future__ import annotations

import base64
import hashlib
import io
import time
import uuid
from collections.abc import Callable, Generator
from typing import Any

import boto3
import httpx
import openai
import psycopg
import pytest
from botocore.config import Config
from PIL import Image

from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.sandbox.weights import archive

TAR = archive(seed="modal", rank=4, token="vxn_luna", kind="good")
SHA256 = hashlib.sha256(TAR).hexdigest()


@pytest.fixture
def client(sandbox: Sandbox) -> Generator[httpx.Client]:
    headers = {"Modal-Key": sandbox.token, "Modal-Secret": sandbox.token}
    with httpx.Client(base_url=f"{sandbox.url}/modal", headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def presign(sandbox: Sandbox) -> Callable[[bytes, int], str]:
    s3 = boto3.client(
        "s3",
        endpoint_url=f"{sandbox.url}/s3",
        region_name="auto",
        aws_access_key_id=sandbox.token[:20],
        aws_secret_access_key=sandbox.token,
        config=Config(signature_version="s3v4"),
    )

    def put_and_presign(content: bytes, seconds: int = 60) -> str:
        s3.put_object(Bucket="vixen", Key="weights.tar", Body=content)
        params = {"Bucket": "vixen", "Key": "weights.tar"}
        return s3.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)

    return put_and_presign


def body_of(url: str, *ids: str, **changes: Any) -> dict[str, Any]:
    prompts = [
        {"id": one, "prompt": f"photo of vxn_luna, {one}", "seed": 7, "width": 320, "height": 384}
        for one in ids
    ]
    return {
        "request_id": f"test-{uuid.uuid4()}",
        "weights_url": url,
        "weights_sha256": SHA256,
        "prompts": prompts,
        **changes,
    }


def test_pictures_come_back_by_the_id_of_their_prompt(client: httpx.Client, presign: Any) -> None:
    answer = client.post("/generate", json=body_of(presign(TAR), "beach", "gym")).json()
    assert set(answer["images"]) == {"beach", "gym"}
    assert answer["failed"] == {}
    contents = {}
    for one, image in answer["images"].items():
        content = contents[one] = base64.b64decode(image["image"])
        assert hashlib.sha256(content).hexdigest() == image["sha256"]
        with Image.open(io.BytesIO(content)) as picture:
            assert (picture.size, picture.format) == ((320, 384), "JPEG")
    assert contents["beach"] != contents["gym"]
    again = client.post("/generate", json=body_of(presign(TAR), "beach")).json()
    assert again["images"]["beach"]["sha256"] == answer["images"]["beach"]["sha256"]


def test_missing_and_wrong_credentials_get_one_plain_line(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    for headers in ({}, {"Modal-Key": sandbox.token}, {"Modal-Key": "wk", "Modal-Secret": "ws"}):
        for path in ("health", "generate"):
            answer = httpx.get(f"{sandbox.url}/modal/{path}", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["content-type"].startswith("text/plain")
            assert "credentials for proxy authorization" in answer.text
    assert client.get("/health").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("content", "changes", "code"),
    [
        (TAR, {"weights_sha256": "0" * 64}, "weights_mismatch"),
        (TAR[:500], {}, "weights_mismatch"),
        (b"<html>no</html>", {"weights_sha256": hashlib.sha256(b"<html>no</html>").hexdigest()},
         "weights_not_a_lora"),
        (TAR, {"weights_url": "http://127.0.0.1:9/x"}, "weights_unavailable"),
        (TAR, {"weights_url": "ftp://x"}, "invalid_body"),
        (TAR, {"prompts": []}, "invalid_body"),
        (TAR, {"surprise": 1}, "invalid_body"),
    ],
)  # fmt: skip
def test_bad_weights_and_bodies_are_named(
    client: httpx.Client, presign: Any, content: bytes, changes: dict[str, Any], code: str
) -> None:
    answer = client.post("/generate", json={**body_of(presign(content), "a"), **changes})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)


def test_an_expired_presigned_url_cannot_be_used(
    sandbox: Sandbox, client: httpx.Client, presign: Any
) -> None:
    url = presign(TAR)
    sandbox.control.advance(120)
    answer = client.post("/generate", json=body_of(url, "a"))
    assert answer.json()["error"]["code"] == "weights_unavailable"


def test_a_long_call_redirects_and_following_it_waits_for_the_same_run(
    sandbox: Sandbox, client: httpx.Client, presign: Any
) -> None:
    sandbox.control.latency("modal_work", 0.8)
    sandbox.control.latency("modal_redirect", 0.3)
    begun = time.monotonic()
    first = client.post("/generate", json=body_of(presign(TAR), "a"))
    assert first.status_code == 303
    assert "__modal_function_call_id=fc-" in first.headers["location"]
    answer = client.get(first.headers["location"], follow_redirects=True)
    assert answer.status_code == 200
    assert time.monotonic() - begun >= 0.8
    again = client.get(first.headers["location"])
    assert again.json()["images"] == answer.json()["images"]
    with psycopg.connect(sandbox.database_url) as connection:
        assert connection.execute("SELECT count(*) FROM modal_runs").fetchone() == (1,)
    sandbox.control.advance(8 * 24 * 3600)
    assert client.get(first.headers["location"]).status_code == 404
    assert client.get("/generate?__modal_function_call_id=fc-unknown").status_code == 404


def test_faults_of_pictures_and_of_the_function(
    sandbox: Sandbox, client: httpx.Client, presign: Any
) -> None:
    url = presign(TAR)
    sandbox.control.fault("modal", "missing")
    answer = client.post("/generate", json=body_of(url, "a", "b")).json()
    assert (list(answer["failed"]), list(answer["images"])) == (["a"], ["b"])
    sandbox.control.fault("modal", "corrupt")
    image = client.post("/generate", json=body_of(url, "a")).json()["images"]["a"]
    content = base64.b64decode(image["image"])
    assert hashlib.sha256(content).hexdigest() != image["sha256"]
    sandbox.control.fault("modal", "crash")
    assert client.post("/generate", json=body_of(url, "a")).status_code == 500
    sandbox.control.fault("modal", "rate_limit", seconds=2)
    limited = client.post("/generate", json=body_of(url, "a"))
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "2")


def test_a_picture_ordered_as_nsfw_is_recognised_by_moderation(
    sandbox: Sandbox, client: httpx.Client, presign: Any
) -> None:
    sandbox.control.fault("modal", "nsfw")
    images = client.post("/generate", json=body_of(presign(TAR), "a", "b")).json()["images"]
    moderator = openai.OpenAI(api_key=sandbox.token, base_url=f"{sandbox.url}/openai/v1")

    def flagged(image: dict[str, Any]) -> bool:
        url = f"data:image/jpeg;base64,{image['image']}"
        part: Any = {"type": "image_url", "image_url": {"url": url}}
        return moderator.moderations.create(input=[part]).results[0].flagged

    assert [flagged(images["a"]), flagged(images["b"])] == [True, False]
