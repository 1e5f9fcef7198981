"""Processes that perform one effect each and kill themselves with SIGKILL at a named point.

Run as `python crash_worker.py DATABASE_URL POINT...`: one forked process per point, one after the
other, each with an effect of its own; point `hang` waits after sending, without a fork. The
"provider" is a table, written in a transaction of its own, as a real provider would keep what it
was asked for.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta

from sqlalchemy import text

from vixen_pipeline.clock import SystemClock
from vixen_pipeline.db.base import Json
from vixen_pipeline.db.session import Database
from vixen_pipeline.effects import Accepted, Effect, Effects, Intent
from vixen_pipeline.locks import ProcessLocks
from vixen_pipeline.settings import load_settings

POINTS = ("intended", "dispatched", "before_send", "after_send", "called", "saved")
TABLE = "CREATE TABLE public.provider (remote_id text PRIMARY KEY, request text)"
GRACE_S = 0.3


def intent(point: str) -> Intent:
    request: Json = {"seed": point}
    return Intent("image", f"luna/{point}", "replicate", request, None, timedelta(hours=1))


def send(database: Database, effect: Effect) -> Accepted:
    remote_id = f"r-{os.urandom(4).hex()}"
    with database.begin() as session:
        session.execute(
            text("INSERT INTO public.provider VALUES (:remote_id, :seed)"),
            {"remote_id": remote_id, "seed": effect.request["seed"]},
        )
    return Accepted(remote_id)


def find(database: Database, effect: Effect) -> Accepted | None:
    with database.begin() as session:
        found = session.execute(
            text("SELECT remote_id FROM public.provider WHERE request = :seed"),
            {"seed": effect.request["seed"]},
        ).scalar()
    return Accepted(found) if found else None


def perform(url: str, fatal_point: str) -> None:
    def die_at(point: str) -> None:
        if point == fatal_point:
            os.kill(os.getpid(), signal.SIGKILL)

    def call(effect: Effect) -> Accepted:
        die_at("before_send")
        accepted = send(database, effect)
        die_at("after_send")
        if fatal_point == "hang":
            sys.stdin.read()
        return accepted

    database = Database(url)
    settings = load_settings(reconcile_grace_s=GRACE_S)
    effects = Effects(database, ProcessLocks(database), SystemClock(), settings, checkpoint=die_at)
    (effect,) = effects.intend([intent(fatal_point)])
    effects.perform(effect, call, lambda current: find(database, current))


def main(url: str, *points: str) -> None:
    if points == ("hang",):
        perform(url, "hang")
    for point in points:
        child = os.fork()
        if child == 0:
            perform(url, point)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"{point} was not reached"
        assert os.WTERMSIG(status) == signal.SIGKILL


if __name__ == "__main__":
    main(*sys.argv[1:])
