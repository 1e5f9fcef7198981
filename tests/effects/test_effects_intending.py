"""Intending in batches, deadlines, and finding effects again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.effects import Accepted, Done, Effect, Effects, Intent, Outcome
from vixen_pipeline.errors import (
    NotFound,
)


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


# ---- intending ----------------------------------------------------------------------------------


def test_500_intents_go_in_as_one_statement_and_come_back_in_order(effects: Effects) -> None:
    intents = [intent(f"luna/shot-{(n * 7) % 500}", n=n) for n in range(500)]
    rows = effects.intend(intents)
    assert [row.key for row in rows] == [i.key for i in intents]
    assert effects.intend(intents) == rows


def test_the_same_key_intended_by_many_at_once_is_one_row(effects: Effects) -> None:
    keys = [f"k{n}" for n in range(20)]
    found: list[set[int]] = []

    def intend(order: list[str]) -> None:
        found.append({effect.id for effect in effects.intend([intent(key) for key in order])})

    orders = [keys, keys[::-1]] * 4
    threads = [threading.Thread(target=intend, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set.union(*found)) == 20


def test_an_existing_row_wins_over_another_request_under_its_key(effects: Effects) -> None:
    (first,) = effects.intend([intent(seed=1)])
    (second,) = effects.intend([intent(seed=2)])
    assert second == first


# ---- deadlines and lookups ----------------------------------------------------------------------


def test_every_open_state_goes_overdue_and_each_change_renews_the_deadline(
    effects: Effects, clock: ManualClock
) -> None:
    effect = one(effects)
    clock.advance(timedelta(minutes=9))
    accepted = effects.perform(effect, lambda _: Accepted("r-1"), nothing)
    assert accepted.deadline == clock.now() + timedelta(minutes=10)
    clock.advance(timedelta(minutes=9))
    assert effects.overdue() == []
    clock.advance(timedelta(minutes=2))
    assert [e.id for e in effects.overdue()] == [effect.id]
    assert [found.effect.id for found in effects.search(overdue=True)] == [effect.id]
    effects.settle(effect.id, result={}, error=None)
    assert effects.overdue() == []


def test_effects_are_found_by_what_operators_know(effects: Effects) -> None:
    ids = [effect.id for effect in effects.intend([intent("luna/1"), intent("luna/2")])]
    effects.perform(effects.get(ids[0]), done, never)
    assert [e.effect.id for e in effects.search(key_part="luna/")] == ids[::-1]
    assert [e.effect.id for e in effects.search(state="confirmed", kind="image")] == ids[:1]
    assert effects.search(avatar="fitness:luna") == []
    assert effects.search(key_part="%") == []
    assert effects.show(ids[1]).effect.key == "luna/2"
    for missing in (lambda: effects.show(0), lambda: effects.get(0), lambda: effects.get("no")):
        with pytest.raises(NotFound):
            missing()
