"""Trainings of the sandbox, driven by the official SDK."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest
from replicate.client import Client
from replicate.exceptions import ReplicateError
from safetensors.numpy import load
from vixen_testkit import wait_until

from vixen_pipeline.sandbox.testing import Sandbox

Train = Callable[..., dict]


def finished(client: Client, job_id: str) -> dict:
    """The raw training once it is over (the SDK's class knows no metrics)."""

    def look() -> dict | None:
        shown = client._client.get(f"/v1/trainings/{job_id}").json()
        return None if shown["status"] in ("starting", "processing") else shown

    return wait_until(look, seconds=10)


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def test_a_training_goes_through_its_states_as_sandbox_time_passes(
    sandbox: Sandbox, client: Client, train: Train
) -> None:
    sandbox.control.training(seconds=1000)
    job_id = train()["id"]
    assert client.trainings.get(job_id).status == "starting"
    sandbox.control.advance(500)
    assert client.trainings.get(job_id).status == "processing"
    sandbox.control.advance(600)
    wait_until(lambda: client.trainings.get(job_id).status == "succeeded", seconds=5)
    training = client.trainings.get(job_id)
    assert training.destination == "vixen/luna"
    assert training.started_at < training.completed_at


def test_the_sdk_starts_trainings_and_a_finished_one_is_a_version_of_its_destination(
    sandbox: Sandbox, client: Client, train: Train, receiver
) -> None:
    sandbox.control.training(seconds=0)
    client.models.create("vixen", "nova", visibility="private", hardware="gpu-l40s")
    version = client.models.get("stability-ai/sdxl").latest_version
    training = client.trainings.create(
        version=f"stability-ai/sdxl:{version.id}",
        input={"input_images": f"{receiver.url}/set.zip"},
        destination="vixen/nova",
    )
    done = finished(client, training.id)
    made = client.models.get("vixen/nova")
    assert done["output"]["version"] == f"vixen/nova:{made.latest_version.id}"
    assert made.versions.get(made.latest_version.id).cog_version


def test_the_output_is_a_tar_with_lora_embeddings_and_token(
    sandbox: Sandbox, client: Client, train: Train
) -> None:
    sandbox.control.training(seconds=0)
    done = finished(client, train()["id"])
    content = httpx.get(done["output"]["weights"]).content
    files = members(content)
    assert len(content) < 2_000_000
    assert set(files) == {"lora.safetensors", "embeddings.pti", "special_params.json"}
    assert json.loads(files["special_params.json"]) == {"vxn_luna": "<s0><s1>"}
    lora = load(files["lora.safetensors"])
    key = "mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight"
    assert lora[key].shape == (32, 2048)
    embeddings = load(files["embeddings.pti"])
    assert {name: values.shape for name, values in embeddings.items()} == {
        "text_encoders_0": (2, 768),
        "text_encoders_1": (2, 1280),
    }


def test_a_training_costs_about_two_and_a_half_dollars(
    sandbox: Sandbox, client: Client, train: Train
) -> None:
    sandbox.control.training(seconds=0)
    billed = finished(client, train()["id"])["metrics"]["predict_time"]
    assert Decimal("2.40") < Decimal(str(billed)) * Decimal("0.001525") < Decimal("2.60")


@pytest.mark.parametrize("kind", ["truncated", "wrong_family", "html"])
def test_weights_can_be_ordered_bad(
    sandbox: Sandbox, client: Client, train: Train, kind: str
) -> None:
    sandbox.control.training(seconds=0, weights=kind)
    done = finished(client, train()["id"])
    content = httpx.get(done["output"]["weights"]).content
    if kind == "html":
        assert content.startswith(b"<!DOCTYPE html>")
        return
    lora = members(content)["lora.safetensors"]
    if kind == "truncated":
        with pytest.raises(Exception, match=r"(?i)buffer|incomplete"):
            load(lora)
    else:
        assert {
            t.shape[1] for n, t in load(lora).items() if "attn2.processor.to_k_lora.down" in n
        } == {768}


@pytest.mark.parametrize("outcome", ["failed", "canceled", "aborted"])
def test_a_training_can_be_ordered_to_end_badly(
    sandbox: Sandbox, client: Client, train: Train, outcome: str
) -> None:
    sandbox.control.training(seconds=0, outcome=outcome)
    done = finished(client, train()["id"])
    assert done["status"] == outcome
    assert done["output"] is None
    assert (done["error"] is not None) == (outcome == "failed")
    assert (done["started_at"] is None) == (outcome == "aborted")
    if outcome == "aborted":
        assert done["metrics"]["predict_time"] == 0


def test_canceling_ends_a_training_and_bills_what_ran(
    sandbox: Sandbox, client: Client, train: Train
) -> None:
    sandbox.control.training(seconds=1000)
    job_id = str(train()["id"])
    sandbox.control.advance(550)
    assert client.trainings.cancel(job_id).status == "canceled"
    sandbox.control.advance(1000)
    done = finished(client, job_id)
    assert done["status"] == "canceled"
    assert 700 < done["metrics"]["predict_time"] < 1000
    assert client.trainings.cancel(job_id).status == "canceled"


def test_canceling_what_succeeded_changes_nothing(
    sandbox: Sandbox, client: Client, train: Train
) -> None:
    sandbox.control.training(seconds=0)
    job_id = str(train()["id"])
    finished(client, job_id)
    assert client.trainings.cancel(job_id).status == "succeeded"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "status 404"),
        (b"<html>no</html>", "not a zip file"),
        (b"PK\x05\x06" + bytes(18), "holds no images"),
    ],
)
def test_a_bad_dataset_fails_the_training_with_a_log_line(
    sandbox: Sandbox, client: Client, train: Train, receiver, content: bytes | None, reason: str
) -> None:
    sandbox.control.training(seconds=0)
    if content is not None:
        receiver.files["/bad.zip"] = content
    given = {"input_images": f"{receiver.url}/bad.zip?X-Amz-Signature=secret"}
    done = finished(client, train(input=given)["id"])
    assert done["status"] == "failed"
    assert reason in done["error"]
    assert done["error"] in done["logs"]
    assert "secret" not in done["logs"]


def test_lists_page_with_cursors_and_show_the_input(
    sandbox: Sandbox, client: Client, train: Train
) -> None:
    ids = [
        train(input={"input_images": "http://127.0.0.1:9/x", "seed": n})["id"] for n in range(103)
    ]
    page = client.trainings.list()
    assert len(page.results) == 100
    assert page.results[0].input["seed"] == 102
    rest = client.trainings.list(page.next)
    assert [training.id for training in [*page, *rest]] == ids[::-1]
    assert rest.next is None


def test_weights_are_gone_an_hour_after_the_end(
    sandbox: Sandbox, client: Client, train: Train
) -> None:
    sandbox.control.training(seconds=0)
    url = finished(client, train()["id"])["output"]["weights"]
    assert httpx.get(url).status_code == 200
    sandbox.control.advance(3601)
    assert httpx.get(url).status_code == 404


def test_a_training_needs_a_known_version_a_destination_and_a_right_input(
    client: Client, receiver
) -> None:
    version = client.models.get("stability-ai/sdxl").latest_version.id
    images = {"input_images": f"{receiver.url}/set.zip"}
    for ref, destination, given, status, words in [
        ("stability-ai/sdxl:" + "0" * 64, "vixen/luna", images, 404, "not be found"),
        (f"stability-ai/sdxl:{version}", "vixen/nobody", images, 404, "destination"),
        (f"stability-ai/sdxl:{version}", "vixen/luna", {}, 422, "input_images is required"),
        (
            f"stability-ai/sdxl:{version}",
            "vixen/luna",
            {**images, "lora_rank": "x"},
            422,
            "integer",
        ),
    ]:
        with pytest.raises(ReplicateError) as caught:
            client.trainings.create(version=ref, input=given, destination=destination)
        assert caught.value.status == status
        assert words in caught.value.detail
