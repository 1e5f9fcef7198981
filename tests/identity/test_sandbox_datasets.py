"""Portraits and datasets against the real sandbox: real pixels, real HTTP, real faults."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from sqlalchemy import select, text
from vixen_identity import add_avatars

from vixen_pipeline.db.models import GeneratedImage, TrainingDataset
from vixen_pipeline.errors import Unavailable
from vixen_pipeline.identity.datasets import run_training_datasets
from vixen_pipeline.identity.portraits import run_reference_portraits
from vixen_pipeline.services import Services
from vixen_pipeline.stages import no_progress

N = 6


@pytest.fixture
def small(settings, database, sandbox):
    with Services(
        settings.model_copy(
            update={"dataset_images": N, "replicate_concurrency": 4, "reconcile_grace_s": 1.0}
        ),
        database=database,
    ) as services:
        yield services


def portraits(services, *keys):
    results = run_reference_portraits(services, keys, no_progress)
    assert [result.outcome for result in results] == ["made"] * len(keys), results
    return results


def datasets(services, *keys):
    return run_training_datasets(services, keys, no_progress)


def images(services, purpose="dataset"):
    with services.database.begin() as session:
        return list(
            session.scalars(
                select(GeneratedImage)
                .where(GeneratedImage.purpose == purpose)
                .order_by(GeneratedImage.slot, GeneratedImage.attempt)
            )
        )


def test_two_avatars_become_portraits_and_complete_datasets(small, sandbox):
    luna, amara = add_avatars(small, "luna", "amara")
    portraits(small, luna.key, amara.key)
    results = datasets(small, luna.key, amara.key)
    for result in results:
        assert result.outcome == "made", result
        assert all(check.passed for check in result.checks), result.checks
        assert result.metadata["images_accepted"].value == N
        sheet = result.metadata["contact_sheet"].value
        assert sheet.startswith("![") and len(sheet) <= 100_000
    with small.database.begin() as session:
        rows = list(session.scalars(select(TrainingDataset)))
        assert (
            session.scalar(text("SELECT count(*) FROM vixen.effects WHERE state <> 'confirmed'"))
            == 0
        )
        assert session.scalar(text("SELECT count(*) FROM vixen.cost_reservations")) == 0
        assert (
            session.scalar(
                text("SELECT count(*) FROM vixen.effects WHERE request::text LIKE '%http%'")
            )
            == 0
        )
    assert len(rows) == 2 and {row.image_count for row in rows} == {N}
    with zipfile.ZipFile(io.BytesIO(small.objects.get(rows[0].archive_key))) as archive:
        assert len([name for name in archive.namelist() if name.endswith(".jpg")]) == N
        manifest = json.loads(archive.read("manifest.json"))
        assert archive.read("001.txt").decode().startswith(manifest["trigger_word"] + ", ")
    again = datasets(small, luna.key, amara.key)
    assert [result.outcome for result in again] == ["unchanged", "unchanged"]
    assert again[0].metadata.keys() == results[0].metadata.keys()


@pytest.fixture
def luna(small):
    (avatar,) = add_avatars(small, "luna")
    portraits(small, avatar.key)
    return avatar


FAULTS = {
    "stranger": "identity",
    "blurry": "sharpness",
    "nsfw": "moderation",
    "duplicate": "duplicate or spare",
    "corrupt": "unusable",
    "vanish": "unusable",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_bad_images_of_every_kind_are_replaced_until_all_are_good(small, sandbox, luna, kind):
    sandbox.control.fault("replicate", kind, count=2)
    (result,) = datasets(small, luna.key)
    assert result.outcome == "made", result
    assert all(check.passed for check in result.checks)
    rejected = result.metadata["rejected_by_reason"].value
    assert set(rejected) == {FAULTS[kind]} and 1 <= rejected[FAULTS[kind]] <= 2, rejected
    assert len([row for row in images(small) if row.selected]) == N


def test_strangers_without_end_fail_with_the_reason_counted(small, sandbox, luna):
    sandbox.control.fault("replicate", "stranger", count=None)
    (result,) = datasets(small, luna.key)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert "identity" in result.error and f"of {N} images accepted" in result.error
    assert len(images(small)) <= N * small.settings.dataset_tries_per_shot


CALLS = [
    {"kind": "rate_limit", "seconds": 0.1, "count": 3},
    {"kind": "error", "status": 500, "phase": "before", "count": 2},
    {"kind": "error", "status": 500, "phase": "after", "count": 2},
    {"kind": "drop_reply", "phase": "after", "count": 2},
]


@pytest.mark.parametrize("fault", CALLS, ids=lambda f: f"{f['kind']} {f.get('phase', '')}")
def test_provider_trouble_neither_loses_nor_doubles_an_image(small, sandbox, luna, fault):
    sandbox.control.fault("replicate", route="POST */predictions", **fault)
    (result,) = datasets(small, luna.key)
    assert result.outcome == "made", result
    made = sum(sandbox.control.state()["predictions"].values())
    with small.database.begin() as session:
        kept = session.scalar(text("SELECT count(*) FROM vixen.generated_images"))
        paid = session.scalar(
            text("SELECT count(*) FROM vixen.cost_entries WHERE provider = 'replicate'")
        )
    assert made == kept == paid


def test_a_stalled_reply_is_given_up_in_time_and_found_again(small, sandbox, luna):
    quick = Services(
        small.settings.model_copy(update={"replicate_timeout_s": 2.0}), database=small.database
    )
    sandbox.control.fault(
        "replicate", "stall", route="POST */predictions", phase="after", seconds=180
    )
    with quick:
        (result,) = datasets(quick, luna.key)
    assert result.outcome == "made", result
    made = sum(sandbox.control.state()["predictions"].values())
    assert made == 1 + len(images(small))


def test_an_object_store_with_errors_is_waited_for_or_said_plainly(small, sandbox, luna):
    sandbox.control.fault("s3", "error", route="PUT *", status=503, count=None)
    try:
        results = datasets(small, luna.key)
        assert results[0].outcome == "failed" and not results[0].permanent
    except Unavailable as error:
        assert "object" in str(error).lower()
    sandbox.control.clear_faults()
    assert datasets(small, luna.key)[0].outcome == "made"
    made = sum(sandbox.control.state()["predictions"].values())
    assert made == 1 + len(images(small))
