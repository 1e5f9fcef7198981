"""What predictions and trainings have in common: rows, lists, cancel, the object's common part.

Does not: making outputs (replicate_predictions.py, replicate_trainings.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import datetime
from typing import Any

from fastapi import Request
from sqlalchemy import Connection, Table, select

from vixen_pipeline.sandbox.replicate_common import (
    PAGE_SIZE,
    Json,
    Problem,
    decode_cursor,
    iso,
    new_id,
    page,
)
from vixen_pipeline.sandbox.replicate_tables import (
    EVENTS,
    Row,
    billed_seconds,
    is_over,
    read_rows,
    status_at,
    times,
)
from vixen_pipeline.sandbox.state import SandboxState

log = logging.getLogger(__name__)
AGAIN_SECONDS = 0.5


def watch(
    state: SandboxState, running: dict[str, asyncio.Task[Any]], job_id: str, task: Any
) -> None:
    """Forget a job's task when it ends; one that broke (database away) is taken up again."""

    def ended(done: asyncio.Task[Any]) -> None:
        running.pop(job_id, None)
        if not done.cancelled() and done.exception() is not None:
            log.warning("sandbox_job_broke: %s: %r", job_id, done.exception())
            state.unfinished = True
            done.get_loop().call_later(AGAIN_SECONDS, state.wake.set)

    task.add_done_callback(ended)


def webhook_columns(body: Json) -> dict[str, Any]:
    """The webhook columns of a new job, from `webhook`, `webhook_completed` and the filter."""
    url, events = body.get("webhook"), body.get("webhook_events_filter") or list(EVENTS)
    if url is None and body.get("webhook_completed"):
        url, events = body["webhook_completed"], ["completed"]
    if url is not None and not (isinstance(url, str) and url.startswith(("http://", "https://"))):
        raise Problem(422, "- webhook: Does not match format 'uri'")
    unknown = [name for name in events if name not in EVENTS]
    if unknown:
        raise Problem(422, f"- webhook_events_filter: {unknown[0]!r} is not an event")
    return {"webhook": url, "events": list(events), "events_sent": 0 if url else 2}


def new_job(state: SandboxState, model: str, version: str, given: Json, **more: Any) -> Json:
    """The columns every new job has."""
    return {
        "id": new_id(),
        "model": model,
        "version": version,
        "input": given,
        "created_at": state.clock.now(),
        **more,
    }


def load(connection: Connection, table: Table, job_id: str) -> Row:
    """One job; Problem 404 when there is none."""
    rows = read_rows(connection, select(table).where(table.c.id == job_id))
    if not rows:
        raise Problem(404, "The requested resource could not be found.")
    return rows[0]


def newest_first(connection: Connection, table: Table, cursor: str | None) -> list[Row]:
    """A page of jobs and one more, if there is one more."""
    query = select(table).order_by(table.c.seq.desc()).limit(PAGE_SIZE + 1)
    before = decode_cursor(cursor)
    if before is not None:
        query = query.where(table.c.seq < before)
    return read_rows(connection, query)


async def list_jobs(state: SandboxState, table: Table, request: Request, show: Any) -> Json:
    """The list route of a kind of job."""
    cursor = request.query_params.get("cursor")
    rows = await state.run(lambda c: newest_first(c, table, cursor))
    now = state.clock.now()
    url = f"{state.config.base_url}/replicate{request.url.path.removeprefix('/replicate')}"
    return page(url, rows, lambda row: show(row, now))


def cancel(connection: Connection, state: SandboxState, table: Table, job_id: str) -> Row:
    """Cancel a job that runs; one that is over stays as it is."""
    query = select(table).where(table.c.id == job_id).with_for_update()
    rows = read_rows(connection, query)
    if not rows:
        raise Problem(404, "The requested resource could not be found.")
    row, now = rows[0], state.clock.now()
    if is_over(status_at(row, now)):
        return row
    values = {"canceled_at": now}
    connection.execute(table.update().where(table.c.id == job_id).values(values))
    return {**row, **values}


def job_json(state: SandboxState, path: str, row: Row, now: datetime) -> Json:
    """The part of the object that both kinds of job share."""
    status = status_at(row, now)
    moments = times(row, now)
    metrics: Json = {}
    if is_over(status):
        billed = billed_seconds(row, now)
        metrics = {"predict_time": billed, "total_time": round(billed + 2.5, 6)}
    base = f"{state.config.base_url}/replicate/v1/{path}/{row['id']}"
    return {
        "id": row["id"],
        "model": row["model"],
        "version": row["version"],
        "status": status,
        "input": row["input"],
        "output": None,
        "logs": row["logs"] if moments["started_at"] else "",
        "error": row["error"] if status == "failed" else None,
        "source": "api",
        "created_at": iso(row["created_at"]),
        "started_at": iso(moments["started_at"]),
        "completed_at": iso(moments["completed_at"]),
        "metrics": metrics,
        "urls": {
            "get": base,
            "cancel": f"{base}/cancel",
            "web": f"https://replicate.com/p/{row['id']}",
        },
    }


def statuses(connection: Connection, state: SandboxState, table: Table) -> dict[str, int]:
    """How many jobs stand in each status now."""
    now = state.clock.now()
    columns = ("outcome", "done_at", "canceled_at", "error", "created_at", "seconds")
    query = select(*(table.c[name] for name in columns))
    return dict(Counter(status_at(row, now) for row in read_rows(connection, query)))
