"""The calls that the inference function has taken: one row per request id, kept for seven days.

Belongs here: the table, taking a call once, counting. Does not: HTTP (modal_api.py), pictures
(modal_work.py). A call's pictures follow from its row, so a restarted sandbox still answers.
"""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, Connection, DateTime, Integer, Row, Table, Text, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from vixen_pipeline.sandbox.modal_wire import Generate
from vixen_pipeline.sandbox.state import SandboxState, metadata

KEPT = timedelta(days=7)

runs = Table(
    "modal_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("request_id", Text, nullable=False, unique=True),
    Column("digest", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("kinds", JSONB, nullable=False),  # what each picture will be
    Column("turns", JSONB, nullable=False),  # which pictures of the pool, when they are predrawn
    Column("images", Integer, nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
)


async def take(state: SandboxState, body: Generate, kinds: list[str], turns: list[int]) -> Row[Any]:
    """The row of this request; the one that another call made of it before, if there is one."""
    seconds = state.controls.latency.get("modal_work", 0.0) * len(body.prompts)
    values = {
        "id": f"fc-{secrets.token_hex(13)}",
        "request_id": body.request_id,
        "digest": body.digest,
        "body": json.loads(body.model_dump_json()),
        "kinds": kinds,
        "turns": turns,
        "images": len(body.prompts),
        "ends_at": state.clock.now() + timedelta(seconds=seconds),
    }

    def work(connection: Connection) -> Row[Any]:
        statement = insert(runs).values(values).on_conflict_do_nothing()
        connection.execute(statement)
        return connection.execute(select(runs).where(_is(body.request_id))).one()

    return await state.run(work)


async def find(state: SandboxState, name: str) -> Row[Any] | None:
    """The row of a request or function call; None when there is none, or it is too old."""
    row = await state.run(lambda c: c.execute(select(runs).where(_is(name))).one_or_none())
    return None if row is None or state.clock.now() > row.ends_at + KEPT else row


async def lose(state: SandboxState, name: str) -> None:
    """Forget a call, as if the machine it ran on had gone."""
    await state.run(lambda c: c.execute(runs.delete().where(_is(name))) and None)


def count(connection: Connection) -> dict[str, Any]:
    """How many calls were worked on, and how many pictures were paid for."""
    query = select(func.count(), func.coalesce(func.sum(runs.c.images), 0))
    found = connection.execute(query).one()
    return {"modal": {"runs": int(found[0]), "images": int(found[1])}}


def _is(name: str) -> Any:
    return or_(runs.c.request_id == name, runs.c.id == name)
