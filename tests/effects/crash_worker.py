"""A process that performs one effect and kills itself with SIGKILL at a named point.

Run as `python crash_worker.py DATABASE_URL POINT`; point `hang` waits after sending instead. The
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
TABLE = "CREATE TABLE IF NOT EXISTS public.provider (remote_id text PRIMARY KEY, request text)"
GRACE_S = 0.3


def intent() -> Intent:
    request: Json = {"prompt": "a portrait", "seed": 7}
    return Intent("image", "luna/shot-1/try-1", "replicate", request, None, timedelta(hours=1))


def send(database: Database, effect: Effect) -> Accepted:
    remote_id = f"r-{os.urandom(4).hex()}"
    with database.begin() as session:
        session.execute(
            text("INSERT INTO public.provider VALUES (:remote_id, :request)"),
            {"remote_id": remote_id, "request": str(effect.request["seed"])},
        )
    return Accepted(remote_id)


def find(database: Database, effect: Effect) -> Accepted | None:
    with database.begin() as session:
        found = session.execute(
            text("SELECT remote_id FROM public.provider WHERE request = :request"),
            {"request": str(effect.request["seed"])},
        ).scalar()
    return Accepted(found) if found else None


def main(url: str, fatal_point: str) -> None:
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
    (effect,) = effects.intend([intent()])
    effects.perform(effect, call, lambda current: find(database, current))


if __name__ == "__main__":
    main(*sys.argv[1:])
