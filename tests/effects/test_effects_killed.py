"""kill -9 at every point of an effect leaves exactly one effect at the provider."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import text
from vixen_testkit import load_script, running_script, wait_until

from vixen_pipeline.clock import SystemClock
from vixen_pipeline.db.session import Database
from vixen_pipeline.effects import Effect, Effects, Outcome
from vixen_pipeline.errors import Busy
from vixen_pipeline.locks import ProcessLocks
from vixen_pipeline.settings import load_settings

WORKER = Path(__file__).with_name("crash_worker.py")
worker = load_script(WORKER)


@pytest.fixture
def effects(database: Database) -> Generator[Effects]:
    """What the next process has; the fake provider is empty."""
    with database.begin() as session:
        session.execute(text(worker.TABLE))
    locks = ProcessLocks(database)
    yield Effects(database, locks, SystemClock(), load_settings(reconcile_grace_s=worker.GRACE_S))
    locks.close()


def at_provider(database: Database, point: str) -> list[str]:
    statement = text("SELECT remote_id FROM public.provider WHERE request = :point")
    with database.begin() as session:
        return list(session.execute(statement, {"point": point}).scalars())


def _never(_: Effect) -> Outcome:
    raise AssertionError("must not be called")


def test_processes_killed_at_each_point_leave_one_effect_each_after_the_next_run(
    effects: Effects, database: Database, database_url: str
) -> None:
    with running_script(WORKER, database_url, *worker.POINTS) as process:
        assert process.wait(60) == 0
    for point in worker.POINTS:
        (effect,) = effects.intend([worker.intent(point)])
        performed, again = (
            effects.perform(
                effect, lambda e: worker.send(database, e), lambda e: worker.find(database, e)
            )
            for _ in range(2)
        )
        assert performed == again
        assert performed.state == "dispatched"
        assert at_provider(database, point) == [performed.remote_id]


def test_a_living_process_is_left_alone_and_a_killed_one_is_replaced_at_once(
    effects: Effects, database: Database, database_url: str
) -> None:
    with running_script(WORKER, database_url, "hang") as process:
        wait_until(lambda: at_provider(database, "hang"), seconds=30)
        (effect,) = effects.intend([worker.intent("hang")])
        with pytest.raises(Busy, match="is being performed elsewhere"):
            effects.perform(effect, _never, _never)
        process.kill()
        process.wait()
        killed = time.monotonic()
        found = wait_until(lambda: _reconciled(effects, effect, database), seconds=5)
    assert found.remote_id in at_provider(database, "hang")
    assert time.monotonic() - killed < 5


def _reconciled(effects: Effects, effect: Effect, database: Database) -> Effect | None:
    try:
        return effects.reconcile(effect, lambda current: worker.find(database, current))
    except Busy:  # the server has not noticed the dead client yet
        return None
