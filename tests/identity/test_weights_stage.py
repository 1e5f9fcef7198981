"""Weights: fetched, opened, checked, kept; what is unusable is refused with its reason."""

from __future__ import annotations

import errno

import pytest
from sqlalchemy import select
from vixen_identity import add_avatars, fake_services, give_dataset
from vixen_weights import lora_bytes, weights_tar

from vixen_pipeline.db.models import LoraWeights
from vixen_pipeline.errors import NotFound, Transient, Unavailable
from vixen_pipeline.identity.attempts import clear_failure
from vixen_pipeline.identity.status import avatar_status
from vixen_pipeline.identity.trainings import apply_events, run_lora_trainings
from vixen_pipeline.identity.weights import presigned_weights_url, run_lora_weights
from vixen_pipeline.identity.work import work_available
from vixen_pipeline.stages import no_progress


@pytest.fixture
def core(settings, database):
    with fake_services(settings, database, dataset_images=2) as services:
        yield services


@pytest.fixture
def luna(core):
    (avatar,) = add_avatars(core, "luna")
    give_dataset(core, avatar)
    run_lora_trainings(core, [avatar.key], no_progress)
    return avatar


def end_training(core, weights, number=1):
    body = core.trainer.finish(f"training-{number}", weights=weights)
    core.inbox.land("replicate", f"msg_{number}", body)
    apply_events(core)


def fetch(core, avatar):
    return run_lora_weights(core, [avatar.key], no_progress)[0]


def rows(core):
    with core.database.begin() as session:
        return list(session.scalars(select(LoraWeights)))


def checks(result):
    return {check.name: check.passed for check in result.checks}


def test_weights_wait_for_an_open_training(core, luna):
    result = fetch(core, luna)
    assert (result.outcome, result.waits_for) == (
        "waiting",
        "training training-1 at Replicate (submitted)",
    )
    with pytest.raises(NotFound, match="no verified weights"):
        presigned_weights_url(core, luna.key)


def test_good_weights_make_the_avatar_ready(core, luna):
    end_training(core, weights_tar())
    result = fetch(core, luna)
    assert result.outcome == "made", result
    assert checks(result) == {
        "weights_opened": True,
        "weights_family": True,
        "weights_rank": True,
        "weights_checksum": True,
        "weights_embeddings": True,
    }
    (row,) = rows(core)
    assert (row.family, row.rank, row.failure, row.trigger_word) == ("sdxl", 32, None, "vxn_luna")
    assert row.sha256 in row.object_key and core.objects.exists(row.embeddings_key)
    assert avatar_status(core, luna.key).status == "ready"
    assert row.object_key in presigned_weights_url(core, luna.key)
    assert fetch(core, luna).outcome == "unchanged"
    assert set(fetch(core, luna).metadata) == set(result.metadata)


def test_weights_without_trained_tokens_are_usable_but_said_to_lack_them(core, luna):
    end_training(core, weights_tar(embeddings=False))
    result = fetch(core, luna)
    assert (result.outcome, checks(result)["weights_embeddings"]) == ("made", False)


GOOD = lora_bytes(rank=32)
REFUSED = {
    "truncated": (weights_tar(GOOD[: len(GOOD) // 2]), "truncated", "weights_opened"),
    "half a tar": (weights_tar()[:40_000], "truncated", "weights_opened"),
    "html": (b"<!DOCTYPE html><html>Sign in</html>", "HTML", "weights_opened"),
    "noise": (b"\x00\x01\x02" * 700, "damaged", "weights_opened"),
    "wrong family": (weights_tar(lora_bytes(rank=32, cross=768)), "sd15", "weights_family"),
    "wrong rank": (weights_tar(lora_bytes(rank=4)), "of rank 4; rank 32", "weights_rank"),
    "empty": (b"", "empty", "weights_opened"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unusable_weights_are_refused_with_the_reason_and_nothing_goes_on(core, luna, name):
    content, reason, check = REFUSED[name]
    end_training(core, content)
    result = fetch(core, luna)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert reason in result.error, result.error
    assert checks(result)[check] is False
    assert not [each for each, passed in checks(result).items() if passed is None and each == check]
    (row,) = rows(core)
    assert reason in row.failure and row.object_key is None
    status = avatar_status(core, luna.key)
    assert (status.status, status.waits_for) == ("training", "a person to act")
    assert not work_available(core.database, core.clock)
    with pytest.raises(NotFound):
        presigned_weights_url(core, luna.key)
    assert fetch(core, luna).outcome == "failed"
    assert run_lora_trainings(core, [luna.key], no_progress)[0].outcome in ("unchanged", "failed")
    assert len(core.trainer.requests) == 1


def ask_again(core, avatar, *stages):
    with core.database.begin() as session:
        for stage in stages:
            clear_failure(session, avatar.id, stage)


def test_refused_weights_are_fetched_again_when_asked(core, luna):
    end_training(core, weights_tar()[:40_000])
    fetch(core, luna)
    core.trainer.files = {url: weights_tar() for url in core.trainer.files}
    ask_again(core, luna, "lora_weights")
    assert work_available(core.database, core.clock).stages == {"lora_weights": (luna.key,)}
    assert fetch(core, luna).outcome == "made"
    assert avatar_status(core, luna.key).status == "ready"
    assert len(core.trainer.requests) == 1


def test_after_refused_weights_another_training_is_paid_for_only_when_asked(core, luna):
    end_training(core, weights_tar(lora_bytes(rank=4)))
    fetch(core, luna)
    ask_again(core, luna, "lora_trainings")
    assert work_available(core.database, core.clock).stages == {"lora_trainings": (luna.key,)}
    assert run_lora_trainings(core, [luna.key], no_progress)[0].outcome == "made"
    end_training(core, weights_tar(), 2)
    ask_again(core, luna, "lora_weights")
    assert fetch(core, luna).outcome == "made"
    assert avatar_status(core, luna.key).status == "ready"
    assert len(core.trainer.requests) == 2


def test_weights_that_the_provider_has_deleted_are_said_to_be_gone(core, luna):
    end_training(core, weights_tar())
    core.trainer.files.clear()
    result = fetch(core, luna)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert "gone" in result.error


def test_a_provider_that_is_away_is_asked_again_later(core, luna, monkeypatch):
    end_training(core, weights_tar())

    def away(*_):
        raise Transient("fake", "503.")

    with monkeypatch.context() as broken:
        broken.setattr(core.trainer, "fetch", away)
        result = fetch(core, luna)
    assert (result.outcome, result.permanent, rows(core)) == ("failed", False, [])
    assert fetch(core, luna).outcome == "made"


def test_a_store_that_is_down_is_an_error_for_all_and_a_clean_retry(core, luna):
    end_training(core, weights_tar())
    core.objects.down = Unavailable("the object store does not answer.")
    with pytest.raises(Unavailable):
        fetch(core, luna)
    core.objects.down = None
    assert fetch(core, luna).outcome == "made"


def test_what_was_stored_wrongly_is_found_by_reading_it_back(core, luna, monkeypatch):
    end_training(core, weights_tar())
    monkeypatch.setattr(core.objects, "get", lambda key: b"something else")
    result = fetch(core, luna)
    assert (result.outcome, checks(result)["weights_checksum"]) == ("failed", False)


def test_a_full_disk_is_said_in_one_line_and_retried_cleanly(core, luna, monkeypatch):
    end_training(core, weights_tar())

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(core.trainer, "fetch", full)
        with pytest.raises(Unavailable, match="the disk is full"):
            fetch(core, luna)
    assert rows(core) == []
    assert fetch(core, luna).outcome == "made"
