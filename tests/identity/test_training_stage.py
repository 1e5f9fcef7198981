"""Trainings: submitted once, ended by webhook or poll, booked once, retried only when asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from vixen_identity import add_avatars, fake_services, give_dataset

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.db.models import CostEntry, LoraTraining
from vixen_pipeline.errors import NotFound, Permanent, Transient, Unknown
from vixen_pipeline.identity.attempts import clear_failure
from vixen_pipeline.identity.status import avatar_status
from vixen_pipeline.identity.training_settle import settle_training
from vixen_pipeline.identity.trainings import apply_events, cancel, poll_due, run_lora_trainings
from vixen_pipeline.identity.work import work_available
from vixen_pipeline.providers.ports import RemoteJob
from vixen_pipeline.stages import no_progress

STAGE = "lora_trainings"


@pytest.fixture
def core(settings, database):
    with fake_services(settings, database, dataset_images=2, clock=ManualClock()) as services:
        yield services


@pytest.fixture
def luna(core):
    (avatar,) = add_avatars(core, "luna")
    give_dataset(core, avatar)
    return avatar


def submit(core, avatar):
    return run_lora_trainings(core, [avatar.key], no_progress)[0]


def training(core):
    with core.database.begin() as session:
        return session.scalars(select(LoraTraining).order_by(LoraTraining.id.desc())).first()


def bookings(core):
    with core.database.begin() as session:
        return list(session.scalars(select(CostEntry.usd).where(CostEntry.batch == STAGE)))


def ask_again(core, avatar, stage=STAGE):
    with core.database.begin() as session:
        clear_failure(session, avatar.id, stage)


def land(core, body, number=1):
    return core.inbox.land("replicate", f"msg_{number}", body)


def test_a_training_is_submitted_without_waiting_and_described(core, luna):
    result = submit(core, luna)
    assert (result.outcome, result.metadata["training_status"].value) == ("made", "submitted")
    request = core.trainer.requests[0]
    assert request.trigger_word == "vxn_luna" and request.images_url.startswith("https://")
    assert request.webhook_url.endswith("/webhooks/replicate")
    assert request.destination == "vixen/vixen-fitness-luna"
    with core.database.begin() as session:
        kept = session.scalar(
            text("SELECT request::text FROM vixen.effects WHERE kind = 'identity.training'")
        )
        reserved = session.scalar(text("SELECT sum(usd) FROM vixen.cost_reservations"))
    assert "http" not in kept
    assert reserved == training(core).estimate_usd > 2
    status = avatar_status(core, luna.key)
    assert status.waits_for == "training training-1 at Replicate (submitted)"
    assert not work_available(core.database, core.clock).stages


def test_running_the_stage_again_submits_nothing(core, luna):
    submit(core, luna)
    assert submit(core, luna).outcome == "unchanged"
    core.trainer.finish("training-1")
    land(core, core.trainer.webhook_body("training-1"))
    apply_events(core)
    assert submit(core, luna).outcome == "unchanged"
    assert len(core.trainer.requests) == 1


def test_a_training_without_a_dataset_is_blocked(core):
    (bare,) = add_avatars(core, "bare")
    assert submit(core, bare).waits_for == "training_datasets"


def test_a_lost_reply_never_starts_a_second_training(core, luna):
    core.trainer.failures.after.append(Unknown("fake", "no reply."))
    assert submit(core, luna).outcome == "made"
    assert len(core.trainer.requests) == 1
    assert training(core).remote_id == "training-1"


def test_a_crash_between_the_call_and_the_row_is_mended_from_the_effect(core, luna, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("vixen_pipeline.identity.training_submit.insert_training", crash)
        with pytest.raises(KeyboardInterrupt):
            submit(core, luna)
    assert training(core) is None and len(core.trainer.requests) == 1
    assert submit(core, luna).outcome == "made"
    assert len(core.trainer.requests) == 1


def test_a_webhook_five_times_books_one_effect_and_one_cost(core, luna):
    submit(core, luna)
    body = core.trainer.finish("training-1", billed_seconds=Decimal(1000))
    for number in range(5):
        land(core, body, number)
    land(core, body, 0)
    assert apply_events(core) == 5
    row = training(core)
    assert (row.status, row.billed_seconds) == ("succeeded", Decimal(1000))
    assert bookings(core) == [row.cost_usd] == [Decimal("1.525")]
    with core.database.begin() as session:
        assert session.scalar(text("SELECT count(*) FROM vixen.cost_reservations")) == 0
        state = "SELECT state FROM vixen.effects WHERE kind = 'identity.training'"
        assert session.scalar(text(state)) == "confirmed"


STATEMENTS = st.lists(
    st.sampled_from(["submitted", "processing", "succeeded", "failed", "canceled"]), max_size=8
)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(order=STATEMENTS)
def test_in_any_order_the_first_end_stands_and_nothing_goes_back(settled, order):
    core = settled
    with core.database.begin() as session:
        session.execute(
            text("UPDATE vixen.lora_trainings SET status = 'submitted', completed_at = NULL")
        )
        session.execute(text("DELETE FROM vixen.cost_entries WHERE batch = 'lora_trainings'"))
    for status in order:
        with core.database.begin() as session:
            job = RemoteJob("training-1", status, billed_seconds=Decimal(10))
            settle_training(core, session, job)
    ends = [status for status in order if status not in ("submitted", "processing")]
    last_open = "processing" if "processing" in order else "submitted"
    expected = next(iter([*ends, last_open]))
    assert training(core).status == expected
    assert len(bookings(core)) == (1 if ends else 0)


@pytest.fixture
def settled(core, luna):
    submit(core, luna)
    return core


def test_an_event_of_an_unknown_training_is_tried_again_and_then_dead(core, luna):
    land(core, json.dumps({"id": "elsewhere", "status": "succeeded"}).encode())
    core.trainer.parse_webhook = lambda body: RemoteJob("elsewhere", "succeeded")
    for _ in range(12):
        assert apply_events(core) == 0
        core.clock.advance(timedelta(minutes=20))
    (event,) = core.inbox.list()
    assert event.state == "dead" and "no training has the id elsewhere" in event.error


def test_an_event_that_is_no_job_is_dead_at_once(core, luna):
    land(core, b"[]")
    apply_events(core)
    (event,) = core.inbox.list()
    assert (event.state, event.attempts) == ("dead", 1)


def test_a_webhook_that_never_comes_is_made_up_for_by_the_poll(core, luna):
    submit(core, luna)
    core.trainer.finish("training-1")
    assert poll_due(core) == 0, "not due yet"
    core.clock.advance(timedelta(seconds=core.settings.training_poll_s + 1))
    assert work_available(core.database, core.clock).polls
    assert poll_due(core) == 1
    assert training(core).status == "succeeded"
    assert not work_available(core.database, core.clock).polls


def test_a_poll_of_a_provider_that_is_away_changes_nothing(core, luna, monkeypatch):
    submit(core, luna)

    def away(_):
        raise Transient("fake", "503.")

    with monkeypatch.context() as broken:
        broken.setattr(core.trainer, "get", away)
        core.clock.advance(timedelta(days=1))
        assert poll_due(core) == 0
    assert training(core).status == "submitted"


def test_a_training_past_its_deadline_is_canceled_and_aborted(core, luna):
    submit(core, luna)
    core.clock.advance(timedelta(seconds=core.settings.training_timeout_s + 1))
    assert poll_due(core) == 1
    row = training(core)
    assert row.status == "aborted" and "no end within 3:00:00" in row.error
    assert core.trainer.get("training-1").status == "canceled"


def test_a_training_that_the_provider_forgot_is_over_at_its_deadline(core, luna):
    submit(core, luna)
    core.trainer.jobs.clear()
    core.clock.advance(timedelta(seconds=core.settings.training_timeout_s + 1))
    assert poll_due(core) == 1
    assert training(core).status == "aborted"


def test_an_operator_cancels_an_open_training(core, luna):
    with pytest.raises(NotFound, match="no training under way"):
        cancel(core, luna.key)
    submit(core, luna)
    assert cancel(core, luna.key) == "canceled"
    assert "canceled by an operator" in avatar_status(core, luna.key).error


@pytest.mark.parametrize("status", ["failed", "canceled", "aborted"])
def test_a_training_that_ends_badly_is_shown_and_only_tried_again_when_asked(core, luna, status):
    submit(core, luna)
    land(core, core.trainer.finish("training-1", status, error="CUDA out of memory"))
    apply_events(core)
    shown = avatar_status(core, luna.key)
    assert "CUDA out of memory" in shown.error and "vixen materialize" in shown.next_step
    assert (shown.stage, shown.waits_for) == (STAGE, "a person to act")
    again = submit(core, luna)
    assert (again.outcome, again.permanent) == ("failed", True)
    assert not work_available(core.database, core.clock).stages
    assert len(core.trainer.requests) == 1
    ask_again(core, luna)
    assert work_available(core.database, core.clock).stages == {STAGE: (luna.key,)}
    assert submit(core, luna).outcome == "made"
    first, second = core.trainer.requests
    assert first.seed != second.seed
    assert (training(core).attempt, len(core.trainer.requests)) == (2, 2)


def test_a_spent_day_is_tried_again_after_midnight_by_itself(core, luna):
    core.costs.set_budget(None, Decimal("0.01"))
    result = submit(core, luna)
    assert (result.outcome, result.permanent) == ("failed", False)
    assert "It is tried again at 2026-01-02 00:00 UTC" in result.next_step
    assert avatar_status(core, luna.key).next_attempt_at == datetime(2026, 1, 2, tzinfo=UTC)
    core.clock.advance(timedelta(hours=23, minutes=59))
    assert work_available(core.database, core.clock).stages == {}
    core.costs.set_budget(None, None)
    core.clock.advance(timedelta(minutes=1))
    assert work_available(core.database, core.clock).stages == {STAGE: (luna.key,)}
    assert submit(core, luna).outcome == "made"


def test_a_budget_too_small_is_refused_before_anything_is_submitted(core, luna):
    core.costs.set_budget(luna.id, core.costs.spent(luna.id) + Decimal("0.10"))
    result = submit(core, luna)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert "budget" in result.error and core.trainer.requests == []
    with core.database.begin() as session:
        assert session.scalar(text("SELECT count(*) FROM vixen.cost_reservations")) == 0


def test_a_refused_submission_gives_its_money_back_and_can_be_asked_for_again(core, luna):
    core.trainer.failures.before.append(Permanent("fake", "no such trainer.", code="404"))
    result = submit(core, luna)
    assert (result.outcome, result.permanent) == ("failed", True)
    with core.database.begin() as session:
        assert session.scalar(text("SELECT count(*) FROM vixen.cost_reservations")) == 0
    ask_again(core, luna)
    assert submit(core, luna).outcome == "made"
    assert training(core).attempt == 1


def test_a_failure_of_old_looks_does_not_stop_the_new_ones(core, luna):
    submit(core, luna)
    with core.database.begin() as session:
        session.execute(text("UPDATE vixen.avatars SET appearance_digest = 'other'"))
    land(core, core.trainer.finish("training-1", "failed", error="x"))
    apply_events(core)
    assert avatar_status(core, luna.key).error is None
