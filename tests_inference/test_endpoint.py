"""The endpoint over real HTTP, called by the pipeline's own client, drawing on the tiny SDXL."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Generator
from typing import Any

import httpx
import pytest
import uvicorn
from conftest import MODEL, prompt
from local_modal import MemoryLedger, ThreadRunner

from vixen_inference import wire
from vixen_inference.calls import Calls
from vixen_inference.inference import Studio
from vixen_inference.web import web_app
from vixen_pipeline.errors import Permanent, Transient
from vixen_pipeline.providers.endpoints import ModalEndpoint
from vixen_pipeline.providers.inference_ports import InferencePrompt, InferenceWeights
from vixen_pipeline.providers.modal_inference import ModalInference
from vixen_pipeline.sandbox import modal_wire

PROMPTS = [InferencePrompt(f"p{n}", f"vxn_luna in park {n}", "blurry", n, 256, 256) for n in (0, 1)]


@pytest.fixture
def runner(studio: Studio) -> ThreadRunner:
    return ThreadRunner(MemoryLedger(), studio.render)


@pytest.fixture
def url(runner: ThreadRunner) -> Generator[str]:
    app = web_app(Calls(runner.ledger, runner, tick_s=0.01), lambda: MODEL)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < until, "the server did not start"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(url: str) -> ModalInference:
    return ModalInference(ModalEndpoint(url, "wk-test", "ws-test"), reply_s=60)


def asked(weights: Any, *, embeddings: bool = False, signature: str = "one") -> InferenceWeights:
    server = weights.server
    return InferenceWeights(
        server.url("lora.safetensors", signature),
        weights.sha256("lora.safetensors"),
        server.url("embeddings.pti", signature) if embeddings else None,
        weights.sha256("embeddings.pti") if embeddings else None,
        "vxn_luna" if embeddings else None,
    )


def test_the_pipelines_client_gets_its_images_and_the_same_ones_again(
    client: ModalInference, runner: ThreadRunner, weights: Any
) -> None:
    batch = client.generate("effect/1 a", asked(weights, embeddings=True), PROMPTS)
    assert set(batch.images) == {"p0", "p1"} and not batch.failed
    assert batch.model == "tiny-sdxl" and batch.model_digest == "d" * 64
    assert batch.usage[0].sku == "gpu-cpu" and batch.usage[0].units > 0
    again = client.generate("effect/1 a", asked(weights, embeddings=True, signature="2"), PROMPTS)
    found = client.find("effect/1 a", PROMPTS)
    assert found is not None and dict(again.images) == dict(batch.images) == dict(found.images)
    assert runner.rendered == 1
    plain = client.generate("effect/2", asked(weights), PROMPTS)
    digests = {hashlib.sha256(x.images["p0"]).hexdigest() for x in (batch, plain)}
    assert len(digests) == 2, "the trained tokens reached the drawing"


def test_a_call_that_was_never_taken_is_not_found(client: ModalInference) -> None:
    assert client.find("never", PROMPTS) is None


def test_an_expired_url_is_transient_and_the_next_try_makes_the_images(
    client: ModalInference, weights: Any
) -> None:
    with pytest.raises(Transient) as expired:
        client.generate("effect/3", asked(weights, signature="expired"), PROMPTS)
    assert expired.value.code == "weights_unavailable"
    assert client.find("effect/3", PROMPTS) is None
    assert len(client.generate("effect/3", asked(weights), PROMPTS).images) == 2


def test_wrong_weights_and_other_prompts_under_an_id_are_permanent(
    client: ModalInference, weights: Any
) -> None:
    wrong = InferenceWeights(weights.server.url("lora.safetensors"), "0" * 64)
    with pytest.raises(Permanent) as mismatch:
        client.generate("effect/4", wrong, PROMPTS)
    assert mismatch.value.code == "weights_mismatch"
    client.generate("effect/5", asked(weights), PROMPTS)
    with pytest.raises(Permanent) as differs:
        client.generate("effect/5", asked(weights), PROMPTS[:1])
    assert differs.value.code == "request_differs"


def test_a_crashed_run_is_transient_and_its_id_free(
    client: ModalInference, runner: ThreadRunner, studio: Studio, weights: Any
) -> None:
    def crash(body: Any) -> dict[str, Any]:
        raise ZeroDivisionError

    runner.render = crash
    with pytest.raises(Transient):
        client.generate("effect/6", asked(weights), PROMPTS)
    runner.render = studio.render
    assert len(client.generate("effect/6", asked(weights), PROMPTS).images) == 2


def test_a_running_call_is_told_apart_from_an_unknown_one(
    client: ModalInference, runner: ThreadRunner, studio: Studio, weights: Any, url: str
) -> None:
    gate = threading.Event()

    def slow(body: Any) -> dict[str, Any]:
        assert gate.wait(20)
        return studio.render(body)

    runner.render = slow
    made: list[Any] = []
    thread = threading.Thread(
        target=lambda: made.append(client.generate("effect/7", asked(weights), PROMPTS))
    )
    thread.start()
    until = time.monotonic() + 20
    while not runner.rendered:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert httpx.get(f"{url}/results/effect/7").status_code == 202
    with pytest.raises(Transient, match="still runs"):
        client.find("effect/7", PROMPTS)
    gate.set()
    thread.join(30)
    assert len(made[0].images) == 2


def test_bodies_that_do_not_fit_are_named_field_by_field(url: str, weights: Any) -> None:
    good = weights.body().model_dump()
    for changes, told in (
        ({"prompts": [prompt("a"), prompt("a")]}, "unique"),
        ({"prompts": [prompt("a", width=257)]}, "prompts.0.width"),
        ({"weights_url": "file:///etc/passwd"}, "weights_url"),
        ({"embeddings_url": "http://x.test/e"}, "go together"),
        ({"steps": 0}, "steps"),
        ({"request_id": "x" * 201}, "request_id"),
        ({"safety_checker": False}, "safety_checker"),
    ):
        reply = httpx.post(f"{url}/generate", json={**good, **changes})
        assert reply.status_code == 422 and reply.json()["error"]["code"] == "invalid_body"
        assert told in reply.json()["error"]["message"]
    assert httpx.post(f"{url}/generate", content=b"not json").status_code == 422
    huge = httpx.post(f"{url}/generate", content=b"x" * (5 * 1024 * 1024))
    assert huge.status_code == 422 and "more than" in huge.text


def test_health_says_what_is_deployed(url: str) -> None:
    assert httpx.get(f"{url}/health").json() == {
        "status": "ok",
        "model": "tiny-sdxl",
        "model_digest": "d" * 64,
        "gpu": "CPU",
    }


def test_the_sandbox_takes_the_same_bodies() -> None:
    def fields(schema: dict[str, Any]) -> dict[str, Any]:
        cleaned = {key: value for key, value in schema.items() if key != "description"}
        return {k: fields(v) if isinstance(v, dict) else v for k, v in cleaned.items()}

    ours = fields(wire.Generate.model_json_schema())
    theirs = fields(modal_wire.Generate.model_json_schema())
    ours["$defs"]["Prompt"]["properties"]["negative_prompt"].pop("maxLength", None)
    theirs["$defs"]["Prompt"]["properties"]["negative_prompt"].pop("maxLength", None)
    assert ours == theirs
