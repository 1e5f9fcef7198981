"""Moments at which to hurt a run: held open from outside, so that a kill hits them for certain.

Belongs here: opening a window, knowing that a run is in it, closing it. Does not: killing.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from instance import Instance
from vixen_testkit import wait_until

REACH_S = 120.0
"""Longest wait for a run to come to a window: a fresh run, on a busy machine."""


@contextmanager
def before_commit(instance: Instance, table: str) -> Generator[None]:
    """Runs stop before they write to `table`: the world has been asked, nothing is kept yet."""
    with psycopg.connect(instance.database_url()) as connection:
        connection.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


def someone_waits(instance: Instance, table: str) -> None:
    """Until a session waits to write to `table`."""
    waiting = "SELECT 1 FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
    wait_until(lambda: instance.rows(waiting, table), seconds=REACH_S, every=0.05)


@contextmanager
def answer_withheld(instance: Instance, provider: str, route: str) -> Generator[None]:
    """The provider does what the next call of `route` asks, and says nothing for 4 s."""
    instance.control.fault(provider, "stall", route=route, phase="after", seconds=4.0)
    yield
    instance.control.clear_faults()


def call_is_under_way(instance: Instance, kind: str) -> None:
    """Until an effect of `kind` has been sent, with its answer not known yet."""
    sent = (
        "SELECT 1 FROM vixen.effects WHERE kind = %s AND state = 'dispatched' AND remote_id IS NULL"
    )
    wait_until(lambda: instance.rows(sent, kind), seconds=REACH_S, every=0.05)
