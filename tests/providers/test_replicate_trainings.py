"""Trainings on Replicate against the sandbox, over HTTP, failure by failure."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from vixen_testkit import wait_until

from vixen_pipeline.errors import Permanent, Transient, Unknown
from vixen_pipeline.providers.fakes import draw_pattern
from vixen_pipeline.providers.ports import ImageRequest, TrainingRequest
from vixen_pipeline.providers.replicate_training import ReplicateTrainer, build_trainer
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.settings import Settings


@pytest.fixture
def trainer(settings: Settings, sandbox: Sandbox) -> ReplicateTrainer:
    made = build_trainer(settings)
    assert isinstance(made, ReplicateTrainer)
    return made


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=1)


def dataset(images: int = 10) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for seed in range(images):
            archive.writestr(
                f"{seed}.jpg", draw_pattern(ImageRequest("m", "p", "", seed, 256, 256))
            )
    return out.getvalue()


@pytest.fixture
def training(sandbox: Sandbox) -> TrainingRequest:
    sandbox.control.training(seconds=0)
    return TrainingRequest(
        trainer="stability-ai/sdxl",
        destination="vixen/fitness-luna",
        images_url=f"data:application/zip;base64,{base64.b64encode(dataset()).decode()}",
        trigger_word="vxn_luna",
        caption_prefix="a photo of vxn_luna, ",
        seed=77,
        steps=100,
        rank=16,
        resolution=512,
        webhook_url=None,
    )


def test_a_training_makes_its_destination_and_ends_with_weights(
    trainer: ReplicateTrainer, training: TrainingRequest, tmp_path: Path
) -> None:
    job = trainer.create(training)
    assert job.destination == "vixen/fitness-luna"
    assert job.input["token_string"] == "vxn_luna"
    assert "input_images" not in job.input
    done = wait_until(lambda: ended(trainer, job.id))
    assert (done.status, done.sku) == ("succeeded", "gpu-h100")
    assert done.billed_seconds is not None
    target = tmp_path / "weights.tar"
    trainer.fetch(done.outputs[0], target, 50_000_000)
    assert target.stat().st_size > 1000
    with pytest.raises(Permanent, match="exceeds"):
        trainer.fetch(done.outputs[0], tmp_path / "other.tar", 10)
    assert [path.name for path in tmp_path.glob("*.tar*")] == ["weights.tar"]


def ended(trainer: ReplicateTrainer, remote_id: str) -> Any:
    job = trainer.get(remote_id)
    return job if job.status not in ("submitted", "processing") else None


def test_what_is_prepared_is_sent_in_one_request(
    trainer: ReplicateTrainer, training: TrainingRequest, calls: list[str]
) -> None:
    trainer.prepare(replace(training, images_url=""))
    assert "POST /v1/models" in calls, "the destination is there before"
    calls.clear()
    trainer.prepare(training)
    trainer.create(training)
    assert [call.split("/")[-1] for call in calls] == ["trainings"]


def test_a_training_whose_reply_was_lost_is_found_by_destination_and_seed(
    trainer: ReplicateTrainer, training: TrainingRequest, sandbox: Sandbox
) -> None:
    sandbox.control.fault("replicate", "drop_reply", route="POST */trainings", phase="after")
    with pytest.raises(Unknown):
        trainer.create(training)
    found = trainer.find(training, long_ago())
    assert found is not None
    assert len(sandbox.control.trainings()) == 1
    other = replace(training, seed=78)
    assert trainer.find(other, long_ago()) is None
    elsewhere = replace(training, destination="vixen/other")
    assert trainer.find(elsewhere, long_ago()) is None


def test_a_lost_reply_while_making_the_destination_starts_no_training(
    trainer: ReplicateTrainer, training: TrainingRequest, sandbox: Sandbox
) -> None:
    sandbox.control.fault("replicate", "error", route="POST /v1/models", phase="before")
    with pytest.raises(Transient):
        trainer.create(training)
    assert sandbox.control.trainings() == []
    sandbox.control.fault("replicate", "drop_reply", route="POST /v1/models", phase="after")
    assert trainer.create(training).id


@pytest.mark.parametrize("outcome", ["failed", "aborted"])
def test_a_training_that_ends_badly_is_read_with_its_state(
    trainer: ReplicateTrainer, training: TrainingRequest, sandbox: Sandbox, outcome: str
) -> None:
    sandbox.control.training(seconds=0, outcome=outcome)
    job = trainer.create(training)
    assert wait_until(lambda: ended(trainer, job.id)).status == outcome


def test_a_training_is_cancelled_once_and_again(
    trainer: ReplicateTrainer, training: TrainingRequest, sandbox: Sandbox
) -> None:
    sandbox.control.training(seconds=600)
    job = trainer.create(training)
    assert trainer.cancel(job.id).status == "canceled"
    assert trainer.cancel(job.id).status == "canceled"


def test_a_trainer_that_is_none_is_refused(trainer: ReplicateTrainer) -> None:
    assert trainer.check_trainer("stability-ai/sdxl").startswith("stability-ai/sdxl:")
    with pytest.raises(Permanent, match="VIXEN_REPLICATE_TRAINER"):
        trainer.check_trainer("zsxkib/instant-id")


def test_a_webhook_body_is_read_like_an_answer(
    trainer: ReplicateTrainer, training: TrainingRequest
) -> None:
    job = trainer.create(training)
    body = json.dumps({"id": job.id, "status": "aborted", "output": None, "metrics": {}})
    assert trainer.parse_webhook(body.encode()).status == "aborted"
    for nonsense in (b"[]", b"{}", b"not json", b'{"id": 3, "status": "x"}'):
        with pytest.raises(ValueError, match=r".+"):
            trainer.parse_webhook(nonsense)
