"""kill -9 of the process that runs a stage, in every window: nothing is lost, nothing doubled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from vixen_identity import add_avatars

from vixen_pipeline.identity.datasets import run_training_datasets
from vixen_pipeline.identity.portraits import run_reference_portraits
from vixen_pipeline.identity.trainings import run_lora_trainings
from vixen_pipeline.services import Services
from vixen_pipeline.stages import no_progress

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

N = 6
SCRIPT = Path(__file__).parents[1] / "support" / "vixen_killed_run.py"
DATASET_WINDOWS = ["intended", "dispatched", "called", "saved", "before_row", "before_row"]
TRAINING_WINDOWS = ["intended", "dispatched", "called", "saved", "before_row"]


@pytest.fixture
def core(settings, database, sandbox):
    changes = {"dataset_images": N, "replicate_concurrency": 1, "reconcile_grace_s": 1.0}
    with Services(settings.model_copy(update=changes), database=database) as services:
        yield services


@pytest.fixture
def luna(core):
    (avatar,) = add_avatars(core, "luna")
    assert run_reference_portraits(core, [avatar.key], no_progress)[0].outcome == "made"
    return avatar


def run_and_die(core, stage: str, avatar: str, point: str) -> None:
    settings = core.settings
    env = {
        **os.environ,
        "VIXEN_HOME": str(settings.home),
        "VIXEN_DATABASE_URL": settings.database_url.get_secret_value(),
        "VIXEN_SANDBOX_URL": settings.sandbox_url,
        "VIXEN_SANDBOX_TOKEN": settings.sandbox_token.get_secret_value(),
        "VIXEN_DATASET_IMAGES": str(N),
        "VIXEN_REPLICATE_CONCURRENCY": "1",
        "VIXEN_RECONCILE_GRACE_S": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, str(SCRIPT), stage, avatar, point]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == -9, (point, done.returncode, done.stderr[-2000:])


def test_a_dataset_survives_being_killed_in_every_window(core, luna, sandbox):
    for point in DATASET_WINDOWS:
        run_and_die(core, "training_datasets", luna.key, point)
    (result,) = run_training_datasets(core, [luna.key], no_progress)
    assert result.outcome == "made", result
    with core.database.begin() as session:
        rows = session.execute(
            text("SELECT slot, selected FROM vixen.generated_images WHERE purpose = 'dataset'")
        ).all()
        kept = session.scalar(text("SELECT count(*) FROM vixen.generated_images"))
        paid = session.scalar(
            text("SELECT count(*) FROM vixen.cost_entries WHERE provider = 'replicate'")
        )
        open_effects = "SELECT count(*) FROM vixen.effects WHERE state <> 'confirmed'"
        assert session.scalar(text(open_effects)) == 0
    assert sorted(row.slot for row in rows if row.selected) == list(range(N))
    made = sum(sandbox.control.state()["predictions"].values())
    assert made == kept == paid, "every image that was paid for is ours, once"


def test_a_training_is_submitted_once_whatever_is_killed(core, luna, sandbox):
    assert run_training_datasets(core, [luna.key], no_progress)[0].outcome == "made"
    for point in TRAINING_WINDOWS:
        with core.database.begin() as session:
            before = session.scalar(text("SELECT count(*) FROM vixen.lora_trainings"))
        assert before == 0
        if point != "before_row" and trainings_known(core):
            break  # the effect is past this window already
        run_and_die(core, "lora_trainings", luna.key, point)
    run_and_die(core, "lora_trainings", luna.key, "before_row")
    (result,) = run_lora_trainings(core, [luna.key], no_progress)
    assert result.outcome == "made", result
    assert run_lora_trainings(core, [luna.key], no_progress)[0].outcome == "unchanged"
    assert len(sandbox.control.trainings()) == 1


def trainings_known(core) -> bool:
    """Whether the training's remote id is known: then nothing is called any more."""
    with core.database.begin() as session:
        found = "SELECT count(remote_id) FROM vixen.effects WHERE kind = 'identity.training'"
        return session.scalar(text(found)) > 0
