"""Predictions of the sandbox, driven by the official SDK."""

from __future__ import annotations

import base64
import io
import threading
import time

import httpx
import pytest
from PIL import Image
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from vixen_testkit import wait_until

from vixen_pipeline.sandbox.testing import Sandbox

SMALL = {"width": 256, "height": 256}
PROMPT = "portrait of a 28-year-old adult woman, copper long waves hair, green eyes, fair skin"


def version_of(client: Client, slug: str) -> str:
    return client.models.get(slug).latest_version.id


def draw(client: Client, slug: str = "stability-ai/sdxl", **given: object) -> list[str]:
    return client.run(f"{slug}:{version_of(client, slug)}", input={**SMALL, **given})


def picture(url: str) -> Image.Image:
    response = httpx.get(url)
    assert response.headers["content-type"] == "image/jpeg"
    image = Image.open(io.BytesIO(response.content))
    image.load()
    return image


def portrait(client: Client, prompt: str = PROMPT) -> str:
    return draw(client, prompt=prompt, seed=1)[0]


def test_run_waits_and_returns_a_real_image_of_the_size_asked(client: Client) -> None:
    urls = draw(client, prompt=PROMPT, seed=5, width=640, height=512)
    assert picture(urls[0]).size == (640, 512)


def test_a_model_is_run_by_its_name_too_and_makes_several_outputs(client: Client) -> None:
    urls = client.run("stability-ai/sdxl", input={**SMALL, "prompt": PROMPT, "num_outputs": 2})
    assert len({httpx.get(url).content for url in urls}) == 2


@pytest.mark.parametrize(("asked", "kind"), [("png", "PNG"), ("webp", "WEBP"), ("jpg", "JPEG")])
def test_the_output_format_is_obeyed(client: Client, asked: str, kind: str) -> None:
    urls = draw(client, prompt=PROMPT, output_format=asked)
    assert Image.open(io.BytesIO(httpx.get(urls[0]).content)).format == kind


def test_the_same_prompt_and_seed_give_the_same_bytes_and_others_do_not(client: Client) -> None:
    def content(seed: int, prompt: str = PROMPT) -> bytes:
        return httpx.get(draw(client, prompt=prompt, seed=seed)[0]).content

    assert content(1) == content(1)
    assert len({content(1), content(2), content(1, PROMPT + ", laughing")}) == 3


def test_the_reference_model_draws_the_person_of_the_picture_it_was_sent(
    sandbox: Sandbox, client: Client
) -> None:
    reference = portrait(client)
    url = draw(client, "zsxkib/instant-id", image=reference, prompt="laughing, beach", seed=9)[0]
    other = draw(client, "zsxkib/instant-id", image=reference, prompt="bust, cafe", seed=10)[0]
    looks = [look_of(sandbox, url) for url in (reference, url, other)]
    assert looks[0] == looks[1] == looks[2]


def look_of(sandbox: Sandbox, url: str) -> dict:
    import hashlib

    from sqlalchemy import create_engine, select

    from vixen_pipeline.db.session import normalize_url
    from vixen_pipeline.sandbox.state import drawn_images

    sha256 = hashlib.sha256(httpx.get(url).content).hexdigest()
    engine = create_engine(normalize_url(sandbox.database_url))
    with engine.connect() as connection:
        row = connection.execute(select(drawn_images).where(drawn_images.c.sha256 == sha256)).one()
    engine.dispose()
    return {"kind": row.kind, **{name: row.look[name] for name in ("hair", "skin", "eyes")}}


def test_a_picture_that_was_not_drawn_here_is_read_by_its_pixels(
    sandbox: Sandbox, client: Client
) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 150, 120)).save(buffer, "PNG")
    data = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    url = draw(client, "zsxkib/instant-id", image=data, prompt="smile")[0]
    assert look_of(sandbox, url)["skin"] == [200, 150, 120]


def test_an_uploaded_file_can_be_the_reference(client: Client) -> None:
    content = httpx.get(portrait(client)).content
    uploaded = client.files.create(io.BytesIO(content), filename="me.jpg", metadata={"a": 1})
    assert (uploaded.name, uploaded.size, uploaded.metadata) == ("me.jpg", len(content), {"a": 1})
    assert draw(client, "zsxkib/instant-id", image=uploaded.urls["get"], prompt="smile")
    assert client.files.get(uploaded.id).checksums["sha256"]
    assert [file.id for file in client.files.list()] == [uploaded.id]
    assert client.files.delete(uploaded.id)
    with pytest.raises(ReplicateError, match="404"):
        client.files.get(uploaded.id)


@pytest.mark.parametrize("image", ["http://127.0.0.1:9/x.jpg", "data:text/plain,hello"])
def test_a_reference_that_is_no_picture_fails_the_prediction(client: Client, image: str) -> None:
    with pytest.raises(ModelError, match="Failed to load the input image"):
        draw(client, "zsxkib/instant-id", image=image, prompt="smile")


@pytest.mark.parametrize("kind", ["stranger", "nsfw", "blurry", "duplicate"])
def test_content_faults_are_drawn_and_recorded(sandbox: Sandbox, client: Client, kind: str) -> None:
    reference = portrait(client)
    before = draw(client, "zsxkib/instant-id", image=reference, prompt="smile, cafe", seed=2)[0]
    sandbox.control.fault("replicate", kind)
    url = draw(client, "zsxkib/instant-id", image=reference, prompt="laughing, beach", seed=3)[0]
    found, wanted = look_of(sandbox, url), look_of(sandbox, reference)
    assert found["kind"] == kind
    same_person = found["hair"] == wanted["hair"] and found["skin"] == wanted["skin"]
    assert same_person == (kind != "stranger")
    if kind == "duplicate":
        one, other = httpx.get(before).content, httpx.get(url).content
        assert one != other
        assert picture(before).tobytes() == picture(url).tobytes()


def test_outputs_can_be_cut_off_or_replaced_by_a_web_page(sandbox: Sandbox, client: Client) -> None:
    whole = portrait(client)
    size = len(httpx.get(whole).content)
    sandbox.control.fault("replicate", "corrupt")
    assert len(httpx.get(whole).content) == size // 2
    sandbox.control.fault("replicate", "html")
    assert httpx.get(whole).content.startswith(b"<!DOCTYPE html>")
    assert len(httpx.get(whole).content) == size


def test_outputs_vanish_after_an_hour_and_by_order(sandbox: Sandbox, client: Client) -> None:
    first, second = portrait(client), portrait(client)
    sandbox.control.fault("replicate", "vanish")
    assert httpx.get(first).status_code == 404
    assert httpx.get(first).status_code == 404
    assert httpx.get(second).status_code == 200
    prediction = client.predictions.list().results[0]
    assert prediction.input["prompt"] == PROMPT
    sandbox.control.advance(3600)
    assert httpx.get(second).status_code == 404
    prediction = client.predictions.get(prediction.id)
    assert (prediction.output, prediction.input) == (None, {})
    files = sandbox.objects_dir / "_replicate"
    wait_until(lambda: not list(files.rglob("*.jpg")), seconds=10)


def test_a_prediction_that_is_not_waited_for_is_starting_and_ends_later(client: Client) -> None:
    version = version_of(client, "stability-ai/sdxl")
    prediction = client.predictions.create(version=version, input={**SMALL, "prompt": PROMPT})
    assert prediction.status in ("starting", "processing")
    wait_until(lambda: client.predictions.get(prediction.id).status == "succeeded", seconds=10)
    prediction.reload()
    assert prediction.metrics["predict_time"] > 0


def test_a_wait_that_runs_out_is_answered_202_and_still_starting(
    sandbox: Sandbox, client: Client
) -> None:
    sandbox.control.latency("replicate", 30)
    version = version_of(client, "stability-ai/sdxl")
    begun = time.monotonic()
    response = client._client.post(
        "/v1/predictions",
        json={"version": version, "input": {**SMALL, "prompt": PROMPT}},
        headers={"Prefer": "wait=1"},
    )
    assert (response.status_code, response.json()["status"]) == (202, "starting")
    assert 0.9 < time.monotonic() - begun < 4


def test_latency_is_how_long_a_prediction_takes_and_many_run_at_a_time(
    sandbox: Sandbox, client: Client
) -> None:
    version = version_of(client, "stability-ai/sdxl")
    draw(client, prompt="warm up")
    sandbox.control.latency("replicate", 1.0)
    done: list[str] = []

    def one(seed: int) -> None:
        given = {**SMALL, "prompt": PROMPT, "seed": seed}
        done.append(client.predictions.create(version, given, wait=True).status)

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(10)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == ["succeeded"] * 10
    assert 1.0 <= time.monotonic() - begun < 4.0


def test_a_running_prediction_can_be_canceled(sandbox: Sandbox, client: Client) -> None:
    sandbox.control.latency("replicate", 100)
    version = version_of(client, "stability-ai/sdxl")
    prediction = client.predictions.create(version, {**SMALL, "prompt": PROMPT})
    prediction.cancel()
    assert prediction.status == "canceled"
    sandbox.control.advance(200)
    prediction.reload()
    assert (prediction.status, prediction.output) == ("canceled", None)


def test_a_prediction_can_be_aborted_which_the_sdk_cannot_read(
    sandbox: Sandbox, client: Client
) -> None:
    sandbox.control.fault("replicate", "abort")
    version = version_of(client, "stability-ai/sdxl")
    body = {"version": version, "input": {**SMALL, "prompt": PROMPT}}
    answer = client._client.post("/v1/predictions", json=body, headers={"Prefer": "wait"}).json()
    assert (answer["status"], answer["started_at"]) == ("aborted", None)
    with pytest.raises(ValueError, match="unexpected value"):
        client.predictions.get(answer["id"])


def test_wrong_input_is_refused_with_every_problem(client: Client) -> None:
    version = version_of(client, "zsxkib/instant-id")
    with pytest.raises(ReplicateError) as caught:
        client.predictions.create(version, {"width": 10, "seed": "x"})
    assert caught.value.status == 422
    for words in ("image is required", "input.width: Must be", "input.seed: Invalid type"):
        assert words in caught.value.detail


def test_predrawn_pictures_cost_nothing_and_still_differ(sandbox: Sandbox, client: Client) -> None:
    import imagehash

    from vixen_pipeline.sandbox import drawing_pool

    drawing_pool.pictures.cache_clear()
    sandbox.control.predrawn(count=12, width=256, height=256)
    reference = portrait(client)
    urls = [
        draw(client, "zsxkib/instant-id", image=reference, prompt="smile", seed=seed)[0]
        for seed in range(8)
    ]
    images = [picture(url) for url in urls]
    assert len({httpx.get(url).content for url in urls}) == 8
    hashes = [imagehash.phash(image) for image in images]
    assert min(a - b for i, a in enumerate(hashes) for b in hashes[:i]) > 8
    assert look_of(sandbox, urls[0])["hair"] == look_of(sandbox, reference)["hair"]
