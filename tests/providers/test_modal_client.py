"""Inference on a Modal endpoint against the sandbox: long runs, lost pictures, refused weights."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace

import pytest

from vixen_pipeline.errors import Permanent, Transient
from vixen_pipeline.providers.endpoints import modal_endpoint
from vixen_pipeline.providers.modal_inference import ModalInference
from vixen_pipeline.providers.objects import build_object_store
from vixen_pipeline.providers.ports import InferencePrompt
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.settings import Settings

Weights = tuple[str, str]


@pytest.fixture
def modal(settings: Settings, sandbox: Sandbox) -> ModalInference:
    return ModalInference(modal_endpoint(settings), reply_s=5, longest_s=3)


@pytest.fixture
def weights(settings: Settings, sandbox: Sandbox) -> Weights:
    """A presigned URL of a tiny but real safetensors file, and its SHA-256."""
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    head = json.dumps({"lora_unet_down.weight": tensor}).encode()
    data = len(head).to_bytes(8, "little") + head + b"\x00" * 4
    store = build_object_store(settings)
    sha256 = store.put("weights/tiny.safetensors", data, "application/octet-stream").sha256
    return store.presign("weights/tiny.safetensors"), sha256


def prompts(count: int) -> list[InferencePrompt]:
    return [InferencePrompt(f"p{n}", f"in a park {n}", "", n, 256, 256) for n in range(count)]


def test_each_image_is_tied_to_its_prompt_by_id(modal: ModalInference, weights: Weights) -> None:
    batch = modal.generate(*weights, prompts(3))
    assert set(batch.images) == {"p0", "p1", "p2"}
    assert len({hashlib.sha256(data).hexdigest() for data in batch.images.values()}) == 3
    again = modal.generate(*weights, list(reversed(prompts(3))))
    assert dict(again.images) == dict(batch.images)
    assert batch.usage[0].sku == "gpu-l40s"


@pytest.mark.parametrize(("kind", "reason"), [("missing", "CUDA"), ("corrupt", "damaged")])
def test_one_lost_picture_does_not_lose_the_others(
    modal: ModalInference, weights: Weights, sandbox: Sandbox, kind: str, reason: str
) -> None:
    sandbox.control.fault("modal", kind)
    batch = modal.generate(*weights, prompts(3))
    assert len(batch.images) == 2
    [(lost, why)] = batch.failed.items()
    assert lost not in batch.images
    assert reason in why


def test_a_long_run_is_followed_without_being_started_again(
    modal: ModalInference, weights: Weights, settings: Settings, sandbox: Sandbox
) -> None:
    sandbox.control.latency("modal_work", 0.7)
    sandbox.control.latency("modal_redirect", 0.2)
    assert len(modal.generate(*weights, prompts(1)).images) == 1
    sandbox.control.latency("modal_work", 60)
    begun = time.monotonic()
    impatient = ModalInference(modal_endpoint(settings), reply_s=5, longest_s=0.5)
    with pytest.raises(Transient, match="did not end within"):
        impatient.generate(*weights, prompts(1))
    assert time.monotonic() - begun < 5


def test_wrong_credentials_and_unusable_weights_are_permanent(
    modal: ModalInference, weights: Weights, settings: Settings
) -> None:
    url, sha256 = weights
    with pytest.raises(Permanent, match="SHA-256") as mismatch:
        modal.generate(url, "0" * 64, prompts(1))
    assert mismatch.value.code == "weights_mismatch"
    wrong = ModalInference(replace(modal_endpoint(settings), secret="wrong"))
    with pytest.raises(Permanent) as refused:
        wrong.generate(url, sha256, prompts(1))
    assert refused.value.code == "auth"


@pytest.mark.parametrize("kind", ["crash", "error", "drop_reply", "rate_limit"])
def test_whatever_may_work_later_is_transient(
    modal: ModalInference, weights: Weights, sandbox: Sandbox, kind: str
) -> None:
    sandbox.control.fault("modal", kind)
    with pytest.raises(Transient):
        modal.generate(*weights, prompts(1))
    assert modal.generate(*weights, prompts(1)).images
