"""Inference on a Modal endpoint against the sandbox: long runs, lost pictures, refused weights."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from vixen_pipeline.errors import Permanent, Transient
from vixen_pipeline.providers.endpoints import modal_endpoint
from vixen_pipeline.providers.inference_ports import RUNNING, InferencePrompt, InferenceWeights
from vixen_pipeline.providers.modal_answers import parse, read_batch
from vixen_pipeline.providers.modal_inference import ModalInference
from vixen_pipeline.providers.objects import build_object_store
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.settings import Settings


@pytest.fixture
def modal(settings: Settings, sandbox: Sandbox) -> ModalInference:
    return ModalInference(modal_endpoint(settings), reply_s=5, longest_s=3)


@pytest.fixture
def weights(settings: Settings, sandbox: Sandbox) -> InferenceWeights:
    """A presigned URL of a tiny but real safetensors file, and its SHA-256."""
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    head = json.dumps({"lora_unet_down.weight": tensor}).encode()
    data = len(head).to_bytes(8, "little") + head + b"\x00" * 4
    store = build_object_store(settings)
    sha256 = store.put("weights/tiny.safetensors", data, "application/octet-stream").sha256
    return InferenceWeights(store.presign("weights/tiny.safetensors"), sha256)


def prompts(count: int) -> list[InferencePrompt]:
    return [InferencePrompt(f"p{n}", f"in a park {n}", "", n, 256, 256) for n in range(count)]


def runs(sandbox: Sandbox) -> int:
    return int(sandbox.control.state()["modal"]["runs"])


def test_each_image_is_tied_to_its_prompt_by_id(
    modal: ModalInference, weights: InferenceWeights
) -> None:
    batch = modal.generate("r1", weights, prompts(3))
    assert set(batch.images) == {"p0", "p1", "p2"}
    assert len({hashlib.sha256(data).hexdigest() for data in batch.images.values()}) == 3
    again = modal.generate("r2", weights, list(reversed(prompts(3))))
    assert dict(again.images) == dict(batch.images)
    assert batch.usage[0].sku == "gpu-l40s"
    assert batch.model_digest is not None and len(batch.model_digest) == 64


def test_the_same_request_is_run_once_and_found_again(
    modal: ModalInference, weights: InferenceWeights, sandbox: Sandbox
) -> None:
    assert modal.find("r1", prompts(2)) is None
    first = modal.generate("r1", weights, prompts(2))
    assert modal.generate("r1", weights, prompts(2)) == first
    assert modal.find("r1", prompts(2)) == first
    assert runs(sandbox) == 1


def test_a_request_id_for_other_work_is_refused_for_good(
    modal: ModalInference, weights: InferenceWeights
) -> None:
    modal.generate("r1", weights, prompts(1))
    with pytest.raises(Permanent) as refused:
        modal.generate("r1", weights, prompts(2))
    assert refused.value.code == "request_differs"


def test_a_call_that_still_runs_is_told_as_running(
    modal: ModalInference, weights: InferenceWeights, settings: Settings, sandbox: Sandbox
) -> None:
    sandbox.control.latency("modal_work", 60)
    sandbox.control.latency("modal_redirect", 0.1)
    impatient = ModalInference(modal_endpoint(settings), reply_s=5, longest_s=0.2)
    with pytest.raises(Transient):
        impatient.generate("r1", weights, prompts(1))
    with pytest.raises(Transient) as running:
        modal.find("r1", prompts(1))
    assert running.value.code == RUNNING


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "CUDA"),
        ("flagged", "safety checker"),
        ("corrupt", "damaged"),
        ("doubled", "twice"),
    ],
)
def test_one_lost_picture_does_not_lose_the_others(
    modal: ModalInference, weights: InferenceWeights, sandbox: Sandbox, kind: str, reason: str
) -> None:
    sandbox.control.fault("modal", kind)
    batch = modal.generate("r1", weights, prompts(3))
    assert len(batch.images) == 2
    [(lost, why)] = batch.failed.items()
    assert lost not in batch.images
    assert reason in why


def test_a_picture_that_nobody_asked_for_is_left_out(
    modal: ModalInference, weights: InferenceWeights, sandbox: Sandbox
) -> None:
    sandbox.control.fault("modal", "stranger_id")
    batch = modal.generate("r1", weights, prompts(2))
    assert set(batch.images) == {"p0", "p1"}
    assert batch.failed == {}


def test_the_answer_of_another_request_is_refused_and_the_right_one_comes(
    modal: ModalInference, weights: InferenceWeights, sandbox: Sandbox
) -> None:
    sandbox.control.fault("modal", "other_request")
    with pytest.raises(Transient) as refused:
        modal.generate("r1", weights, prompts(2))
    assert refused.value.code == "other_request"
    right = modal.generate("r1", weights, prompts(2))
    assert set(right.images) == {"p0", "p1"}
    assert runs(sandbox) == 1


def test_a_long_run_is_followed_without_being_started_again(
    modal: ModalInference, weights: InferenceWeights, settings: Settings, sandbox: Sandbox
) -> None:
    sandbox.control.latency("modal_work", 0.7)
    sandbox.control.latency("modal_redirect", 0.2)
    assert len(modal.generate("r1", weights, prompts(1)).images) == 1
    assert runs(sandbox) == 1
    sandbox.control.latency("modal_work", 60)
    begun = time.monotonic()
    impatient = ModalInference(modal_endpoint(settings), reply_s=5, longest_s=0.5)
    with pytest.raises(Transient, match="did not end within"):
        impatient.generate("r2", weights, prompts(1))
    assert time.monotonic() - begun < 5


def test_wrong_credentials_and_unusable_weights_are_permanent(
    modal: ModalInference, weights: InferenceWeights, settings: Settings
) -> None:
    with pytest.raises(Permanent, match="SHA-256") as mismatch:
        modal.generate("r1", replace(weights, sha256="0" * 64), prompts(1))
    assert mismatch.value.code == "weights_mismatch"
    wrong = ModalInference(replace(modal_endpoint(settings), secret="wrong"))
    with pytest.raises(Permanent) as refused:
        wrong.generate("r1", weights, prompts(1))
    assert refused.value.code == "auth"


def test_an_expired_url_is_transient_and_a_fresh_one_helps(
    modal: ModalInference, weights: InferenceWeights
) -> None:
    expired = replace(weights, url=weights.url.replace("X-Amz-Signature=", "X-Amz-Signature=0"))
    with pytest.raises(Transient) as refused:
        modal.generate("r1", expired, prompts(1))
    assert refused.value.code == "weights_unavailable"
    assert "X-Amz" not in str(refused.value)
    assert modal.generate("r1", weights, prompts(1)).images


@pytest.mark.parametrize("kind", ["crash", "vanish", "error", "drop_reply", "rate_limit"])
def test_whatever_may_work_later_is_transient(
    modal: ModalInference, weights: InferenceWeights, sandbox: Sandbox, kind: str
) -> None:
    sandbox.control.fault("modal", kind)
    with pytest.raises(Transient):
        modal.generate("r1", weights, prompts(1))
    assert modal.generate("r1", weights, prompts(1)).images


def answer(**changes: Any) -> dict[str, object]:
    picture = {"image": "aGk=", "sha256": hashlib.sha256(b"hi").hexdigest(), "seed": 0}
    whole: dict[str, object] = {
        "request_id": "r1", "images": {"p0": picture}, "failed": {}, "model": "m",
        "weights_sha256": "w", "gpu": "L4", "seconds": 1,
    }  # fmt: skip
    return {**whole, **changes}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"seed": 1}, "another seed"),
        ({"image": "not base64!"}, "damaged"),
        ({"image": "aGk"}, "damaged"),
        ({"image": "ü"}, "damaged"),
        ({"sha256": "0" * 64}, "damaged"),
        ({"image": None}, "damaged"),
    ],
)
def test_a_picture_counts_only_when_it_is_tied_to_its_prompt(
    entry: Mapping[str, object], reason: str
) -> None:
    picture = {"image": "aGk=", "sha256": hashlib.sha256(b"hi").hexdigest(), "seed": 0, **entry}
    batch, damaged = read_batch(answer(images={"p0": picture}), "r1", prompts(1), "w")
    assert batch.images == {}
    assert reason in batch.failed["p0"]
    assert damaged


def test_an_id_that_comes_twice_in_the_text_is_taken_neither_time() -> None:
    picture = json.dumps(answer()["images"]["p0"])  # type: ignore[index]
    rest = json.dumps({k: v for k, v in answer().items() if k != "images"})
    text = f'{{"images": {{"p0": {picture}, "p0": {picture}}}, {rest[1:]}'
    batch, _ = read_batch(parse(text.encode()), "r1", prompts(1), "w")
    assert batch.failed == {"p0": "twice in the answer"}


def test_an_answer_with_other_weights_is_not_taken() -> None:
    with pytest.raises(Transient) as refused:
        read_batch(answer(weights_sha256="other"), "r1", prompts(1), "w")
    assert refused.value.code == "other_weights"
