"""Images on Replicate against the sandbox, over HTTP, failure by failure."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response
from vixen_testkit import listening_socket, serve

from vixen_pipeline.errors import Permanent, Transient, Unknown
from vixen_pipeline.providers.endpoints import Endpoint
from vixen_pipeline.providers.ports import ImageRequest
from vixen_pipeline.providers.replicate_api import ReplicateApi
from vixen_pipeline.providers.replicate_images import ReplicateImages
from vixen_pipeline.sandbox.testing import Sandbox

LIMIT = 5_000_000


def api(url: str, token: str, timeout_s: float = 20) -> ReplicateApi:
    return ReplicateApi(Endpoint(url, token), timeout_s=timeout_s, concurrency=4)


@pytest.fixture
def replicate(sandbox: Sandbox) -> ReplicateApi:
    return api(sandbox.replicate_url, sandbox.token)


@pytest.fixture
def images(replicate: ReplicateApi) -> ReplicateImages:
    return ReplicateImages(replicate)


def portrait(seed: int = 7, **changes: Any) -> ImageRequest:
    values: dict[str, Any] = {
        "model": "stability-ai/sdxl",
        "prompt": "portrait of a woman with red hair",
        "negative_prompt": "blurry",
        "seed": seed,
        "width": 256,
        "height": 256,
    }
    return ImageRequest(**{**values, **changes})


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=1)


def predictions(sandbox: Sandbox) -> int:
    return sum(sandbox.control.state()["predictions"].values())


def test_an_image_is_made_in_one_request_and_fetched(images: ReplicateImages) -> None:
    job = images.create(portrait())
    assert job.status == "succeeded"
    assert job.billed_seconds is not None
    assert job.billed_seconds > Decimal(1)
    assert job.sku == "gpu-l40s"
    assert job.input["seed"] == 7
    assert images.fetch(job.outputs[0], LIMIT).startswith(b"\xff\xd8")
    assert images.get(job.id) == job


def test_what_is_prepared_is_sent_in_one_request(images: ReplicateImages, calls: list[str]) -> None:
    images.prepare(portrait())
    assert calls == ["GET /v1/models/stability-ai/sdxl"]
    calls.clear()
    images.prepare(portrait(8))
    images.create(portrait())
    assert calls == ["POST /v1/predictions"]


def test_a_reference_goes_into_the_input_of_the_model_s_family(
    images: ReplicateImages, sandbox: Sandbox
) -> None:
    face = images.create(portrait()).outputs[0]
    job = images.create(portrait(8, model="zsxkib/instant-id", reference_url=face))
    assert job.status == "succeeded"
    assert "image" not in job.input, "links are credentials and are not handed on"
    stored = httpx.get(
        f"{sandbox.replicate_url}/v1/predictions/{job.id}",
        headers={"Authorization": f"Bearer {sandbox.token}"},
    ).json()
    assert stored["input"]["image"] == face


def test_a_model_without_reference_refuses_one_before_anything_is_paid(
    images: ReplicateImages, sandbox: Sandbox
) -> None:
    with pytest.raises(Permanent, match="takes no reference"):
        images.create(portrait(reference_url="https://x.example/a.jpg"))
    assert predictions(sandbox) == 0


def test_a_model_is_resolved_to_a_version_and_its_inputs_are_checked(
    images: ReplicateImages,
) -> None:
    name = images.check_model("zsxkib/instant-id")
    slug, _, version = name.partition(":")
    assert (slug, len(version)) == ("zsxkib/instant-id", 64)
    assert images.check_model(name) == name
    with pytest.raises(Permanent, match="nobody/nothing does not exist") as caught:
        images.check_model("nobody/nothing")
    assert "VIXEN_REPLICATE_IDENTITY_MODEL" in str(caught.value)
    with pytest.raises(Permanent, match="owner/name"):
        images.check_model("nonsense")


@pytest.mark.parametrize(
    ("kind", "phase", "wanted", "exists"),
    [
        ("rate_limit", "before", Transient, False),
        ("error", "before", Unknown, False),
        ("error", "after", Unknown, True),
        ("drop_reply", "before", Unknown, False),
        ("drop_reply", "after", Unknown, True),
    ],
)
def test_what_may_have_been_made_is_unknown_and_found_again_by_reading_back(
    images: ReplicateImages, sandbox: Sandbox, kind: str, phase: str, wanted: type, exists: bool
) -> None:
    images.check_model("stability-ai/sdxl")
    sandbox.control.fault("replicate", kind, route="POST */predictions", phase=phase)
    with pytest.raises((Transient, Unknown)) as caught:
        images.create(portrait())
    assert type(caught.value) is wanted
    found = images.find(portrait(), long_ago())
    assert (found is not None) is exists
    assert predictions(sandbox) == int(exists)


def test_a_rate_limit_says_in_prose_how_long_to_wait(
    images: ReplicateImages, sandbox: Sandbox
) -> None:
    sandbox.control.fault("replicate", "rate_limit", route="POST */predictions", seconds=4)
    with pytest.raises(Transient) as caught:
        images.create(portrait())
    assert caught.value.retry_after == 4


def test_a_stall_ends_in_unknown_within_the_time_out(sandbox: Sandbox) -> None:
    images = ReplicateImages(api(sandbox.replicate_url, sandbox.token, timeout_s=0.8))
    images.check_model("stability-ai/sdxl")
    sandbox.control.fault("replicate", "stall", route="POST */predictions", seconds=3)
    with pytest.raises(Unknown, match="in time"):
        images.create(portrait())


def test_reads_are_transient_and_the_sdk_does_not_retry_them_itself(
    images: ReplicateImages, sandbox: Sandbox
) -> None:
    job = images.create(portrait())
    sandbox.control.fault("replicate", "error", route="GET */predictions/*", status=503)
    with pytest.raises(Transient):
        images.get(job.id)
    assert images.get(job.id).status == "succeeded"


def test_a_wrong_token_is_permanent_with_the_next_step(sandbox: Sandbox) -> None:
    with pytest.raises(Permanent, match="vixen doctor") as caught:
        ReplicateImages(api(sandbox.replicate_url, "wrong")).get("x")
    assert caught.value.code == "auth"
    assert "wrong" not in str(caught.value)


def test_find_tells_apart_seed_prompt_and_version(images: ReplicateImages) -> None:
    jobs = {seed: images.create(portrait(seed)) for seed in (1, 2)}
    found = images.find(portrait(1), long_ago())
    assert found is not None
    assert found.id == jobs[1].id
    assert images.find(portrait(3), long_ago()) is None
    assert images.find(portrait(1, prompt="another"), long_ago()) is None
    assert images.find(portrait(1, model="zsxkib/pulid"), long_ago()) is None


def test_find_reads_page_after_page_until_since(images: ReplicateImages) -> None:
    first = images.create(portrait(1, width=256, height=256))
    for seed in range(2, 104):
        images.create(portrait(seed, prompt="x"))
    found = images.find(portrait(1), long_ago())
    assert found is not None
    assert found.id == first.id
    assert images.find(portrait(1), datetime.now(UTC) + timedelta(minutes=10)) is None


def test_the_aborted_state_is_read_though_the_sdk_does_not_know_it(
    images: ReplicateImages, sandbox: Sandbox
) -> None:
    sandbox.control.fault("replicate", "abort")
    assert images.create(portrait()).status == "aborted"


def test_a_failed_prediction_tells_its_error(images: ReplicateImages, sandbox: Sandbox) -> None:
    sandbox.control.fault("replicate", "fail")
    job = images.create(portrait())
    assert job.status == "failed"
    assert job.error is not None
    assert "CUDA" in job.error


def test_an_output_that_vanished_or_is_too_large_is_permanent(
    images: ReplicateImages, sandbox: Sandbox
) -> None:
    url = images.create(portrait()).outputs[0]
    with pytest.raises(Permanent, match="exceeds 10 bytes"):
        images.fetch(url, 10)
    sandbox.control.advance(3 * 3600)
    with pytest.raises(Permanent, match="gone") as caught:
        images.fetch(url, LIMIT)
    assert caught.value.code == "gone"


def test_a_provider_that_is_not_there_is_transient() -> None:
    sock = listening_socket()
    port = sock.getsockname()[1]
    sock.close()
    with pytest.raises(Transient, match="cannot be reached"):
        ReplicateImages(api(f"http://127.0.0.1:{port}", "t")).create(portrait())


# ---- a server that misbehaves in ways the sandbox does not ---------------------------------------


@pytest.fixture
def odd() -> Generator[tuple[str, FastAPI]]:
    app = FastAPI()
    app.state.seen = []

    @app.get("/elsewhere")
    async def elsewhere(request: Request) -> Response:
        app.state.seen.append(request.headers.get("authorization"))
        return Response(b"bytes", media_type="image/jpeg")

    @app.post("/v1/predictions")
    async def html() -> Response:
        return Response("<html>maintenance</html>", media_type="text/html")

    @app.get("/v1/models/{owner}/{name}")
    async def model() -> dict[str, Any]:
        properties = {"prompt": {}, "seed": {}}
        schema = {"components": {"schemas": {"Input": {"properties": properties}}}}
        return {"latest_version": {"id": "f" * 64, "openapi_schema": schema}}

    @app.get("/v1/predictions")
    async def listing() -> dict[str, Any]:
        return {"results": [], "next": "http://evil.example/v1/predictions?cursor=x"}

    with serve(app, listening_socket()) as url:
        yield url, app


def test_the_key_is_sent_to_the_provider_only_and_never_to_a_delivery_host(
    odd: tuple[str, FastAPI], sandbox: Sandbox
) -> None:
    url, app = odd
    client = ReplicateImages(api(sandbox.replicate_url, sandbox.token))
    assert client.fetch(f"{url}/elsewhere", LIMIT) == b"bytes"
    assert client.fetch("data:image/png;base64,aGk=", LIMIT) == b"hi"
    assert app.state.seen == [None]


def test_a_list_that_continues_on_another_host_is_not_followed(odd: tuple[str, FastAPI]) -> None:
    with pytest.raises(Permanent, match="another host"):
        ReplicateImages(api(odd[0], "t")).find(portrait(), long_ago())


def test_an_answer_that_is_not_json_is_unknown_for_an_effect(odd: tuple[str, FastAPI]) -> None:
    with pytest.raises(Unknown, match="unreadable"):
        ReplicateImages(api(odd[0], "t")).create(portrait())


def test_a_model_that_lacks_an_input_we_send_is_refused_by_name(
    odd: tuple[str, FastAPI],
) -> None:
    with pytest.raises(Permanent, match="has no input image; it has prompt, seed"):
        ReplicateImages(api(odd[0], "t")).check_model("zsxkib/instant-id")


def test_a_list_too_long_to_read_does_not_count_as_not_found(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = api(sandbox.replicate_url, sandbox.token)
    page = {"results": [], "next": f"{sandbox.replicate_url}/v1/predictions?cursor=x"}
    monkeypatch.setattr(client, "call", lambda *_, **__: page)
    with pytest.raises(Unknown, match="pages"):
        list(client.jobs("/v1/predictions", datetime.now(UTC)))
