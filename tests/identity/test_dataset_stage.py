"""The portrait and dataset stages on a real database, with fakes of the providers."""

from __future__ import annotations

import errno
from decimal import Decimal

import pytest
from sqlalchemy import select, text
from vixen_identity import add_avatars, draw_person, fake_services

from vixen_pipeline.db.models import GeneratedImage, StageAttempt, TrainingDataset
from vixen_pipeline.errors import Permanent, Transient, Unavailable, Unknown
from vixen_pipeline.identity.attempts import clear_failure
from vixen_pipeline.identity.datasets import run_training_datasets
from vixen_pipeline.identity.portraits import run_reference_portraits
from vixen_pipeline.stages import no_progress

N = 6
STAGE = "training_datasets"


@pytest.fixture
def core(settings, database):
    with fake_services(settings, database) as services:
        yield services


@pytest.fixture
def luna(core):
    (avatar,) = add_avatars(core, "luna")
    assert run_reference_portraits(core, [avatar.key], no_progress)[0].outcome == "made"
    return avatar


def run(core, *avatars):
    return run_training_datasets(core, [avatar.key for avatar in avatars], no_progress)


def images(core):
    with core.database.begin() as session:
        return list(
            session.scalars(
                select(GeneratedImage)
                .where(GeneratedImage.purpose == "dataset")
                .order_by(GeneratedImage.slot, GeneratedImage.attempt)
            )
        )


def accepted(core):
    return [(row.slot, row.attempt) for row in images(core) if row.selected]


def ask_again(core, avatar, stage=STAGE):
    with core.database.begin() as session:
        clear_failure(session, avatar.id, stage)


def assert_complete_once(core):
    rows = images(core)
    assert sorted(row.slot for row in rows if row.selected) == list(range(N))
    assert len({row.effect_id for row in rows}) == len(rows)
    with core.database.begin() as session:
        open_effects = (
            "SELECT count(*) FROM vixen.effects WHERE state NOT IN ('confirmed', 'failed')"
        )
        assert session.scalar(text(open_effects)) == 0
        assert session.scalar(text("SELECT count(*) FROM vixen.training_datasets")) == 1
        assert session.scalar(text("SELECT count(*) FROM vixen.cost_reservations")) == 0
        paid = "SELECT count(DISTINCT effect_id) FROM vixen.cost_entries WHERE batch = :stage"
        made = len([request for request in core.images.requests if "background" in request.prompt])
        assert session.scalar(text(paid), {"stage": STAGE}) == len(rows) == made


def test_an_avatar_without_a_portrait_is_blocked_and_without_a_persona_too(core):
    (bare,) = add_avatars(core, "bare", persona=False)
    assert run(core, bare)[0].outcome == "blocked"
    (result,) = run_reference_portraits(core, [bare.key], no_progress)
    assert (result.outcome, result.waits_for) == ("blocked", "personas")


def test_an_unknown_key_fails_with_a_sentence_and_leaves_the_others_alone(core, luna):
    results = run_training_datasets(core, ["fitness:nobody", luna.key], no_progress)
    assert [result.outcome for result in results] == ["failed", "made"]
    assert "no avatar has the key 'fitness:nobody'" in (results[0].error or "")


def test_every_image_is_asked_for_with_the_portrait_as_reference(core, luna):
    assert run(core, luna)[0].outcome == "made"
    requests = [request for request in core.images.requests if request.reference_url]
    assert len(requests) == N and len({request.seed for request in requests}) == N
    assert_complete_once(core)


def test_a_flagged_image_is_replaced_and_kept_with_its_reason(core, luna):
    seen = iter([True, True])
    core.moderator.flag_image = lambda _: next(seen, False)
    (result,) = run(core, luna)
    assert result.outcome == "made"
    assert result.metadata["rejected_by_reason"].value == {"moderation": 2}
    assert_complete_once(core)


def test_a_failed_prediction_is_replaced(core, luna):
    bad = iter(["failed", "canceled"])
    core.images._outcome = lambda _: next(bad, "succeeded")
    (result,) = run(core, luna)
    assert result.outcome == "made"
    assert result.metadata["rejected_by_reason"].value == {"unusable": 2}


def test_the_same_picture_twice_is_accepted_once_and_the_earlier_shot_keeps_it(core, luna):
    planned_seeds = seeds_of_first_attempts(core, luna)
    same = {planned_seeds[2], planned_seeds[5]}

    def draw_same(request):
        if request.seed in same:
            request = type(request)(**{**as_dict(request), "seed": 77})
        return draw_person(request)

    core.images._draw = draw_same
    (result,) = run(core, luna)
    assert result.outcome == "made"
    assert (2, 1) in accepted(core) and (5, 2) in accepted(core)
    assert result.metadata["rejected_by_reason"].value == {"duplicate or spare": 1}


def test_used_up_tries_fail_with_the_reasons_counted_and_stay_failed_until_asked(core, luna):
    core.images._draw = lambda request: draw_person(request, skin=(40, 90, 220))
    (result,) = run(core, luna)
    assert (result.outcome, result.permanent) == ("failed", True)
    tries = core.settings.dataset_tries_per_shot
    assert f"0 of {N} images accepted after {tries} tries" in result.error
    assert f"identity {N * tries}x" in result.error
    failed = {check.name: check.passed for check in result.checks}
    assert failed["dataset_completeness"] is False and failed["dataset_coverage"] is False
    made = len(core.images.requests)
    core.images._draw = draw_person
    again = run(core, luna)[0]
    assert (again.outcome, len(core.images.requests)) == ("failed", made)
    ask_again(core, luna)
    assert run(core, luna)[0].outcome == "made"
    assert len(core.images.requests) == made + N


def test_moderation_that_is_away_passes_nothing_and_wastes_no_image(core, luna, monkeypatch):
    monkeypatch.setattr(type(core.clock), "sleep", lambda *_: None)
    core.moderator.moderate_texts = lambda texts: []
    monkeypatch.setattr("vixen_pipeline.identity.image_prompts.require_moderated", lambda *_: None)
    core.moderator.unavailable = Transient("openai", "overloaded.")
    (result,) = run(core, luna)
    assert (result.outcome, result.permanent) == ("failed", False)
    assert "moderation is unavailable" in result.error
    assert accepted(core) == [] and images(core)
    made = len(core.images.requests)
    core.moderator.unavailable = None
    assert run(core, luna)[0].outcome == "made"
    assert len(core.images.requests) == made + N - (made - 1)
    assert_complete_once(core)


def test_a_prompt_that_moderation_refuses_is_never_sent(core):
    (avatar,) = add_avatars(core, "luna")
    core.moderator.flag_words = ("portrait",)
    (result,) = run_reference_portraits(core, [avatar.key], no_progress)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert core.images.requests == []


def test_a_lost_reply_is_found_again_by_its_seed(core, luna):
    core.images.failures.after.extend([Unknown("fake", "no reply.")] * 3)
    assert run(core, luna)[0].outcome == "made"
    assert_complete_once(core)


def test_a_refused_call_stops_the_avatar_until_asked_and_is_then_sent_again(core, luna):
    core.images.failures.before.append(Permanent("fake", "input is wrong.", code="422"))
    (result,) = run(core, luna)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert "input is wrong" in result.error
    ask_again(core, luna)
    assert run(core, luna)[0].outcome == "made"
    assert_complete_once(core)


def test_an_overloaded_provider_is_tried_again_later_with_backoff(core, luna, monkeypatch):
    monkeypatch.setattr(type(core.clock), "sleep", lambda *_: None)
    core.images.failures.before.extend([Transient("fake", "503.")] * 60)
    (result,) = run(core, luna)
    assert (result.outcome, result.permanent) == ("failed", False)
    with core.database.begin() as session:
        row = session.scalars(select(StageAttempt)).one()
        assert row.next_attempt_at is not None
    core.images.failures.before.clear()
    assert run(core, luna)[0].outcome == "made"
    assert_complete_once(core)


def test_a_store_that_is_down_stops_the_stage_with_one_clear_error_and_a_clean_retry(core, luna):
    core.objects.down = Unavailable("the object store does not answer.")
    with pytest.raises(Unavailable, match="object store"):
        run(core, luna)
    core.objects.down = None
    assert run(core, luna)[0].outcome == "made"
    assert_complete_once(core)


def test_a_store_that_goes_down_midway_loses_no_image(core, luna):
    put, count = core.objects.put, iter(range(100))

    def fails_after_three(key, data, content_type):
        if next(count) >= 3:
            raise Unavailable("the object store has no room.")
        return put(key, data, content_type)

    core.objects.put = fails_after_three
    with pytest.raises(Unavailable):
        run(core, luna)
    core.objects.put = put
    assert run(core, luna)[0].outcome == "made"
    assert len([r for r in core.images.requests if r.reference_url]) == N
    assert_complete_once(core)


def test_a_full_disk_is_said_in_one_line_and_retried_cleanly(core, luna, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/dataset.zip")

    monkeypatch.setattr("vixen_pipeline.identity.dataset_publish.write_archive", full)
    with pytest.raises(Unavailable, match="the disk is full"):
        run(core, luna)
    monkeypatch.undo()
    assert run(core, luna)[0].outcome == "made"
    assert_complete_once(core)


def test_a_budget_too_small_is_refused_before_anything_is_sent(core, luna):
    core.costs.set_budget(luna.id, Decimal("0.05"))
    (result,) = run(core, luna)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert "budget" in result.error
    assert not [request for request in core.images.requests if request.reference_url]


def test_an_avatar_that_another_run_works_on_waits(core, luna, settings, database):
    with fake_services(settings, database) as other, other.locks.hold("identity", luna.id):
        (result,) = run(core, luna)
    assert (result.outcome, result.waits_for) == ("waiting", "another run that works on it")


def test_one_avatar_that_fails_leaves_the_others_alone(core, luna):
    (iris,) = add_avatars(core, "iris")
    run_reference_portraits(core, [iris.key], no_progress)
    core.costs.set_budget(iris.id, Decimal("0.02"))
    results = run(core, luna, iris)
    assert [result.outcome for result in results] == ["made", "failed"]


def test_a_scorer_that_measures_nothing_accepts_nothing(core, luna, monkeypatch):
    monkeypatch.setattr(
        "vixen_pipeline.pictures.scorers_appearance.AppearanceScorer.describe", lambda *_: None
    )
    (result,) = run(core, luna)
    assert result.outcome == "failed"
    assert "identity" in result.error and accepted(core) == []
    check = next(check for check in result.checks if check.name == "dataset_identity")
    assert check.passed is None


def test_progress_counts_accepted_images(core, luna):
    steps = []
    run_training_datasets(core, [luna.key], steps.append)
    assert [step.done for step in steps] == list(range(1, N + 1))
    assert {step.total for step in steps} == {N}


def test_the_manifest_and_the_rows_agree(core, luna):
    run(core, luna)
    with core.database.begin() as session:
        dataset = session.scalars(select(TrainingDataset)).one()
    chosen = [row for row in images(core) if row.selected]
    assert [entry["sha256"] for entry in dataset.manifest["images"]] == [r.sha256 for r in chosen]
    assert dataset.archive_key.endswith(f"{dataset.archive_sha256}.zip")


def as_dict(request):
    return {name: getattr(request, name) for name in request.__dataclass_fields__}


def seeds_of_first_attempts(core, avatar):
    """The seed of each shot's first image, read from the effects of a run that sent nothing."""
    core.images.failures.before.extend([Permanent("fake", "not now.")] * 100)
    run(core, avatar)
    core.images.failures.before.clear()
    ask_again(core, avatar)
    with core.database.begin() as session:
        query = "SELECT key, request FROM vixen.effects WHERE kind = 'identity.dataset_image'"
        rows = session.execute(text(query))
        return {int(key.split(":")[-2]): request["seed"] for key, request in rows}
