"""When a drain is started: pure decisions over facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sensors.decisions import (
    LONGEST_PAUSE,
    ActiveRun,
    Facts,
    FinishedRun,
    decide,
    digest_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORK = ("ready fitness:luna personas attempts=0",)


def finished(
    run_id: str = "r1", *, ago: float = 3600, succeeded: bool = True, work: tuple[str, ...] = ()
) -> FinishedRun:
    return FinishedRun(run_id, NOW - timedelta(seconds=ago), succeeded, digest_of(work))


def active(*, started_ago: float | None = 5, holds_lock: bool | None = True) -> ActiveRun:
    started = None if started_ago is None else NOW - timedelta(seconds=started_ago)
    return ActiveRun("busy", started, holds_lock)


def test_nothing_to_do_starts_nothing() -> None:
    assert decide(Facts(NOW, ())).run_key is None


def test_work_starts_one_run() -> None:
    assert decide(Facts(NOW, WORK)).run_key is not None


def test_the_same_facts_give_the_same_run_key_so_that_a_repeated_tick_starts_nothing() -> None:
    assert decide(Facts(NOW, WORK)).run_key == decide(Facts(NOW, WORK)).run_key


def test_another_attempt_count_gives_another_run_key() -> None:
    later = ("ready fitness:luna personas attempts=1",)
    assert decide(Facts(NOW, WORK)).run_key != decide(Facts(NOW, later)).run_key


def test_a_queued_or_running_drain_is_waited_for() -> None:
    assert decide(Facts(NOW, WORK, (active(),))).run_key is None
    assert decide(Facts(NOW, WORK, (active(started_ago=None, holds_lock=None),))).run_key is None


def test_a_run_that_has_just_started_may_not_have_its_lock_yet() -> None:
    decision = decide(Facts(NOW, WORK, (active(started_ago=30, holds_lock=False),)))
    assert (decision.run_key, decision.dead) == (None, ())


def test_a_run_whose_process_is_gone_is_declared_dead_and_replaced() -> None:
    decision = decide(Facts(NOW, WORK, (active(started_ago=120, holds_lock=False),)))
    assert decision.dead == ("busy",)
    assert decision.run_key is not None


def test_after_a_failed_run_there_is_another_at_once_even_without_work() -> None:
    assert decide(Facts(NOW, (), finished=(finished(ago=0, succeeded=False),))).run_key is not None


def test_a_second_failure_that_left_the_same_facts_behind_is_not_repeated_at_once() -> None:
    before = finished("r0", ago=60, succeeded=False, work=WORK)
    soon = Facts(NOW, WORK, finished=(finished(ago=2, succeeded=False, work=WORK), before))
    assert decide(soon).run_key is None
    later = Facts(NOW, WORK, finished=(finished(ago=6, succeeded=False, work=WORK), before))
    assert decide(later).run_key is not None


def test_a_drain_that_is_killed_again_and_again_but_gets_on_is_replaced_at_once() -> None:
    killed = tuple(
        finished(f"r{i}", ago=i * 10, succeeded=False, work=(f"stage {i}",)) for i in range(6)
    )
    assert decide(Facts(NOW, WORK, finished=killed)).run_key is not None


def test_a_run_that_left_the_same_facts_behind_is_not_repeated_at_once() -> None:
    in_vain = finished(ago=2, work=WORK)
    assert decide(Facts(NOW, WORK, finished=(in_vain,))).run_key is None
    assert decide(Facts(NOW, ("other",), finished=(in_vain,))).run_key is not None


def test_pauses_grow_while_runs_are_in_vain_and_have_an_end() -> None:
    many = tuple(finished(f"r{i}", ago=i + 1, succeeded=False, work=WORK) for i in range(30))
    assert decide(Facts(NOW, WORK, finished=many)).run_key is None
    longest = LONGEST_PAUSE.total_seconds()
    rested = tuple(
        finished(f"r{i}", ago=i + 1 + longest, succeeded=False, work=WORK) for i in range(30)
    )
    assert decide(Facts(NOW, WORK, finished=rested)).run_key is not None


moments = st.integers(0, 10_000).map(lambda s: NOW - timedelta(seconds=s))
runs = st.builds(
    ActiveRun, st.text("abc", min_size=1), st.none() | moments, st.sampled_from([None, True, False])
)
ended = st.builds(
    FinishedRun,
    st.text("xyz", min_size=1),
    moments,
    st.booleans(),
    st.sampled_from([digest_of(()), digest_of(WORK)]),
)
some_facts = st.builds(
    Facts,
    st.just(NOW),
    st.lists(st.text("wxyz ", min_size=1), max_size=4).map(tuple),
    st.lists(runs, max_size=3).map(tuple),
    st.lists(ended, max_size=5).map(
        lambda found: tuple(sorted(found, key=lambda run: run.ended_at, reverse=True))
    ),
)


@given(some_facts)
def test_never_a_second_run_beside_a_living_one(facts: Facts) -> None:
    decision = decide(facts)
    living = [run for run in facts.active if run.run_id not in decision.dead]
    if living:
        assert decision.run_key is None


@given(some_facts)
def test_only_a_run_that_lost_its_lock_is_declared_dead(facts: Facts) -> None:
    dead = decide(facts).dead
    for run_id in dead:
        assert any(run.run_id == run_id and run.holds_lock is False for run in facts.active)


@given(some_facts)
def test_a_decision_says_why_and_a_run_key_names_its_facts(facts: Facts) -> None:
    decision = decide(facts)
    assert decision.reason
    if decision.run_key is not None:
        assert decision.run_key.startswith(digest_of(facts.work))


@given(some_facts, st.randoms())
def test_the_order_of_the_facts_does_not_matter(facts: Facts, random: st.DataObject) -> None:
    shuffled = list(facts.work)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = Facts(facts.now, tuple(shuffled), facts.active, facts.finished)
    assert decide(again) == decide(facts)


@given(some_facts)
def test_work_is_always_taken_up_in_the_end(facts: Facts) -> None:
    """However many runs were in vain: ten minutes after the last one, work starts a run."""
    rested = Facts(facts.now + LONGEST_PAUSE, facts.work or WORK, (), facts.finished)
    assert decide(rested).run_key is not None
