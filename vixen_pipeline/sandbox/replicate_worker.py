"""The background of the sandbox's Replicate: unfinished work, events of jobs, deliveries.

Belongs here: one loop that reads what is due from the tables. Does not: what is told or sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import OperationalError

from vixen_pipeline.sandbox import webhooks
from vixen_pipeline.sandbox.replicate_common import Json
from vixen_pipeline.sandbox.replicate_files import folder
from vixen_pipeline.sandbox.replicate_predictions import Predictions
from vixen_pipeline.sandbox.replicate_tables import (
    RETENTION,
    Row,
    ends_at,
    is_over,
    predictions,
    read_rows,
    starts_at,
    status_at,
    trainings,
)
from vixen_pipeline.sandbox.replicate_trainings import Trainings
from vixen_pipeline.sandbox.state import SandboxState

log = logging.getLogger(__name__)
IDLE_SECONDS = 5.0
_UNDER_WAY: Json = {
    "status": "processing", "output": None, "metrics": {}, "completed_at": None, "error": None,
}  # fmt: skip
OUTAGE_SECONDS = 0.5
SWEEP_EVERY = timedelta(minutes=1)


class Worker:
    """Wakes when something changed or is due."""

    def __init__(
        self,
        state: SandboxState,
        made: Predictions,
        trained: Trainings,
        deliverer: webhooks.Deliverer,
    ) -> None:
        self._state = state
        self._predictions = made
        self._trainings = trained
        self._deliverer = deliverer
        self._next_sweep = state.clock.now()
        self._kinds: tuple[tuple[Table, Predictions | Trainings], ...] = (
            (predictions, made),
            (trainings, trained),
        )

    async def run(self) -> None:
        """Until canceled. A database that is away for a moment is waited for."""
        while True:
            self._state.wake.clear()
            try:
                if self._state.unfinished:
                    await self._resume()
                await self._sweep()
                due = [await self._state.run(self._queue_events), await self._deliverer.step()]
            except OperationalError as error:
                log.warning("sandbox_database_away: %s", str(error.orig).splitlines()[:1])
                await asyncio.sleep(OUTAGE_SECONDS)
                continue
            await self._wait([moment for moment in due if moment is not None])

    async def _wait(self, due: list[datetime]) -> None:
        now = self._state.clock.now()
        seconds = min([IDLE_SECONDS, *((moment - now).total_seconds() for moment in due)])
        with contextlib.suppress(TimeoutError):  # due, or time to look again
            await asyncio.wait_for(self._state.wake.wait(), max(seconds, 0.01))

    async def _resume(self) -> None:
        """Take up the work that a killed sandbox, or a database that went away, left."""
        for table, kind in self._kinds:
            query = select(table).where(table.c.done_at.is_(None), table.c.canceled_at.is_(None))
            for row in await self._state.run(partial(read_rows, query=query)):
                kind.prepare(row)
        self._state.unfinished = False

    async def _sweep(self) -> None:
        """Now and then, delete output files that the provider would have removed by now."""
        now = self._state.clock.now()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_EVERY
        over = predictions.c.done_at < now - RETENTION
        old = predictions.update().where(over, predictions.c.files != []).values(files=[])
        statement = old.returning(predictions.c.id)
        gone = await self._state.run(lambda c: list(c.execute(statement).scalars()))
        for job_id in gone:
            await asyncio.to_thread(shutil.rmtree, folder(self._state) / job_id, True)

    def _queue_events(self, connection: Connection) -> datetime | None:
        """Queue the webhooks of jobs that started or ended; returns when the next one will."""
        following: list[datetime] = []
        for table, kind in self._kinds:
            query = select(table).where(table.c.events_sent < 2).with_for_update()
            for row in read_rows(connection, query):
                sent = self._queue_for(connection, row, kind.show)
                if sent != row["events_sent"]:
                    statement = table.update().where(table.c.id == row["id"])
                    connection.execute(statement.values(events_sent=sent))
                if sent < 2:
                    following.append(starts_at(row) if sent == 0 else ends_at(row))
        now = self._state.clock.now()
        return min((moment for moment in following if moment > now), default=None)

    def _queue_for(
        self, connection: Connection, row: Row, show: Callable[[Row, datetime], Json]
    ) -> int:
        now = self._state.clock.now()
        status = status_at(row, now)
        sent = int(row["events_sent"])
        events: list[str] = []
        if sent == 0 and (status == "processing" or (is_over(status) and status != "aborted")):
            events, sent = ["start", "logs"], 1
        if is_over(status):
            events += [*(["output"] if status == "succeeded" else []), "completed"]
            sent = 2
        for event in events:
            if event in row["events"]:
                shown = show(row, now)
                if event in ("start", "logs"):
                    shown = {**shown, **_UNDER_WAY}
                body = json.dumps(shown)
                webhooks.queue(
                    connection, self._state, event=event, url=str(row["webhook"]), body=body
                )
        return sent
