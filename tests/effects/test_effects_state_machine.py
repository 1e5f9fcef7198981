"""How an effect goes from intended to its end, whatever the provider answers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.db.session import Database
from vixen_pipeline.effects import Accepted, Done, Effect, Effects, Failed, Intent, Outcome
from vixen_pipeline.errors import (
    BudgetExceeded,
    Busy,
    NotFound,
    Permanent,
    Transient,
    Unknown,
)
from vixen_pipeline.locks import ProcessLocks
from vixen_pipeline.settings import Settings

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
GRACE = timedelta(seconds=90)


def intent(key: str = "luna/shot-1", **request: object) -> Intent:
    return Intent("image", key, "replicate", dict(request), None, timedelta(minutes=10))


def one(effects: Effects, key: str = "luna/shot-1") -> Effect:
    (effect,) = effects.intend([intent(key)])
    return effect


def done(_: Effect) -> Outcome:
    return Done("r-1", {"seconds": "3.2"})


def nothing(_: Effect) -> None:
    return None


def never(_: Effect) -> Outcome:
    raise AssertionError("must not be called")


def raising(error: Exception) -> Callable[[Effect], Outcome]:
    def call(_: Effect) -> Outcome:
        raise error

    return call


def in_turn(*answers: Exception | Outcome) -> Callable[[Effect], Outcome]:
    left = list(answers)

    def call(_: Effect) -> Outcome:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return call


def test_a_finished_call_confirms_and_is_never_made_again(effects: Effects) -> None:
    effect = one(effects)
    confirmed = effects.perform(effect, done, nothing)
    assert (confirmed.state, confirmed.remote_id) == ("confirmed", "r-1")
    assert confirmed.result == {"seconds": "3.2"}
    assert effects.perform(effect, never, never) == confirmed


def test_an_accepted_call_keeps_its_remote_id_and_ends_by_settling(effects: Effects) -> None:
    effect = effects.perform(one(effects), lambda _: Accepted("r-2"), nothing)
    assert (effect.state, effect.remote_id) == ("dispatched", "r-2")
    assert effects.perform(effect, never, never) == effect
    found = effects.by_remote("replicate", "r-2")
    assert found == effect
    assert effects.settle(effect.id, result={"weights": "w"}, error=None)
    assert effects.get(effect.id).state == "confirmed"


def test_settling_is_monotonic(effects: Effects) -> None:
    effect = effects.perform(one(effects), lambda _: Accepted("r-2"), nothing)
    assert effects.settle(effect.id, result=None, error="out of memory")
    assert not effects.settle(effect.id, result={"late": True}, error=None)
    ended = effects.get(effect.id)
    assert (ended.state, ended.error, ended.result) == ("failed", "out of memory", None)


def test_an_effect_that_was_never_dispatched_cannot_be_settled(effects: Effects) -> None:
    assert not effects.settle(one(effects).id, result={}, error=None)


def test_a_transient_failure_is_tried_again_after_the_wait_it_asks_for(
    effects: Effects, clock: ManualClock
) -> None:
    call = in_turn(Transient("replicate", "429", retry_after=7), Done("r-1", {}))
    effect = effects.perform(one(effects), call, never)
    assert (effect.state, effect.attempts) == ("confirmed", 2)
    assert clock.now() == NOON + timedelta(seconds=7)


def test_transient_failures_end_after_a_bounded_number_of_tries_and_stay_intended(
    effects: Effects,
) -> None:
    effect = one(effects)
    with pytest.raises(Transient, match="busy"):
        effects.perform(effect, raising(Transient("replicate", "busy")), never)
    left = effects.get(effect.id)
    assert (left.state, left.attempts, left.error) == ("intended", 5, "replicate: busy")
    assert effects.perform(effect, done, never).state == "confirmed"


def test_a_long_wait_is_not_sat_out_but_handed_to_the_caller(
    effects: Effects, clock: ManualClock
) -> None:
    with pytest.raises(Transient) as raised:
        effects.perform(
            one(effects), raising(Transient("replicate", "quota", retry_after=3600)), never
        )
    assert raised.value.retry_after == 3600
    assert clock.now() == NOON


def test_a_permanent_failure_stops_every_later_try(effects: Effects) -> None:
    effect = one(effects)
    with pytest.raises(Permanent, match="no such model"):
        effects.perform(effect, raising(Permanent("replicate", "no such model")), never)
    with pytest.raises(Permanent, match="no such model"):
        effects.perform(effect, never, never)


def test_an_operator_may_reopen_what_the_provider_never_took(effects: Effects) -> None:
    effect = one(effects)
    with pytest.raises(Permanent):
        effects.perform(effect, raising(Permanent("replicate", "bad token")), never)
    assert effects.reopen(effect.id).state == "intended"
    assert effects.perform(effect, done, never).state == "confirmed"
    with pytest.raises(NotFound, match="did not fail before"):
        effects.reopen(effect.id)


def test_what_failed_at_the_provider_cannot_be_reopened(effects: Effects) -> None:
    effect = one(effects)
    with pytest.raises(Permanent, match="nsfw"):
        effects.perform(effect, lambda _: Failed("r-9", "nsfw"), never)
    with pytest.raises(NotFound):
        effects.reopen(effect.id)


def test_a_lost_answer_is_read_back_and_not_sent_again(effects: Effects) -> None:
    call = in_turn(Unknown("replicate", "time-out"))
    effect = effects.perform(one(effects), call, lambda _: Done("r-3", {}))
    assert (effect.state, effect.remote_id, effect.attempts) == ("confirmed", "r-3", 1)


def test_not_listed_means_not_done_only_after_the_grace(
    effects: Effects, clock: ManualClock
) -> None:
    effect = one(effects)
    with pytest.raises(Unknown, match="may have been done"):
        effects.perform(effect, in_turn(Unknown("replicate", "time-out")), nothing)
    assert effects.get(effect.id).state == "unknown"
    assert clock.now() < NOON + GRACE

    clock.advance(GRACE)
    performed = effects.perform(effect, done, nothing)
    assert (performed.state, performed.attempts) == ("confirmed", 2)


def test_an_unexpected_exception_is_treated_as_a_crash(effects: Effects) -> None:
    effect = one(effects)
    with pytest.raises(ZeroDivisionError):
        effects.perform(effect, raising(ZeroDivisionError()), never)
    assert effects.get(effect.id).state == "dispatched"
    performed = effects.perform(effect, never, lambda _: Accepted("r-4"))
    assert (performed.state, performed.remote_id) == ("dispatched", "r-4")


def test_a_read_back_that_fails_leaves_the_effect_unknown(effects: Effects) -> None:
    effect = one(effects)
    with pytest.raises(Transient):
        effects.perform(
            effect,
            in_turn(Unknown("replicate", "time-out")),
            raising(Transient("replicate", "list is down")),
        )
    assert effects.get(effect.id).state == "unknown"


def test_a_refused_budget_means_nothing_was_sent(effects: Effects) -> None:
    effect = one(effects)
    with pytest.raises(BudgetExceeded):
        effects.perform(effect, raising(BudgetExceeded("the day's budget is spent.")), never)
    assert effects.get(effect.id).state == "intended"


def test_the_gate_is_held_from_before_the_dispatch_until_after_the_call(effects: Effects) -> None:
    seen: list[str] = []

    @contextmanager
    def gate() -> Generator[None]:
        seen.append("in " + effects.get("luna/shot-1").state)
        yield
        seen.append("out " + effects.get("luna/shot-1").state)

    call = in_turn(Transient("replicate", "429", retry_after=0), Done("r-1", {}))
    effects.perform(one(effects), call, never, gate=gate)
    assert seen == ["in intended", "out intended", "in intended", "out confirmed"]


def test_nothing_is_held_while_it_waits_for_its_next_try(
    effects: Effects, clock: ManualClock
) -> None:
    left_at: list[datetime] = []

    @contextmanager
    def gate() -> Generator[None]:
        yield
        left_at.append(clock.now())

    call = in_turn(Transient("replicate", "429", retry_after=30), Done("r-1", {}))
    effects.perform(one(effects), call, never, gate=gate)
    assert left_at == [NOON, NOON + timedelta(seconds=30)]


def test_a_gate_that_refuses_leaves_the_effect_undispatched(effects: Effects) -> None:
    @contextmanager
    def gate() -> Generator[None]:
        raise BudgetExceeded("the avatar's budget is spent.")
        yield

    with pytest.raises(BudgetExceeded):
        effects.perform(one(effects), never, never, gate=gate)
    assert effects.get("luna/shot-1").attempts == 0


def test_the_answer_of_an_attempt_that_is_over_changes_nothing(
    effects: Effects, clock: ManualClock, database: Database, settings: Settings
) -> None:
    """Its lock was lost (server restart), the grace passed, and another process has called."""
    effect = one(effects)
    other_locks = ProcessLocks(database)
    other = Effects(database, other_locks, clock, settings)

    def slow(current: Effect) -> Outcome:
        other_locks.try_acquire("test", "connect")
        _terminate_locks(database, keep=other_locks)
        clock.advance(GRACE)
        assert other.perform(current, lambda _: Accepted("second"), nothing).attempts == 2
        return Accepted("first")

    assert effects.perform(effect, slow, never).remote_id == "second"
    assert effects.get(effect.id).remote_id == "second"
    other_locks.close()


def _terminate_locks(database: Database, *, keep: ProcessLocks) -> None:
    assert keep._connection is not None
    with database.autocommit() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'vixen locks' AND pid <> %s",
            (keep._connection.info.backend_pid,),
        )


def test_only_one_of_two_performs_it_and_the_other_is_told_busy(
    effects: Effects, database: Database, clock: ManualClock, settings: Settings
) -> None:
    effect = one(effects)
    other_locks = ProcessLocks(database)
    other = Effects(database, other_locks, clock, settings)

    def call(current: Effect) -> Outcome:
        with pytest.raises(Busy):
            other.perform(current, never, never)
        with pytest.raises(Busy):
            effects.perform(current, never, never)
        with pytest.raises(Busy):
            other.reconcile(current, never)
        return Done("r-1", {})

    assert effects.perform(effect, call, never).state == "confirmed"
    assert other.perform(effect, never, never).state == "confirmed"
    other_locks.close()
