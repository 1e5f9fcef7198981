"""Message batches. Belongs here: create, list, read, cancel, delete, results.

Does not: the messages themselves. Results are written when they are read (the writer is
deterministic), billed under the service tier `batch`. A batch ends after the standing latency of
the pseudo provider `anthropic_batches` (0: it has ended by the time it is read back).
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import Column, DateTime, Table, Text, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from vixen_pipeline.sandbox import anthropic_messages, anthropic_wire
from vixen_pipeline.sandbox.anthropic_wire import ApiError
from vixen_pipeline.sandbox.state import SandboxState, metadata

MOST_REQUESTS = 100_000
_CUSTOM_ID = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_ROUTE = "POST /v1/messages/batches"

batches = Table(
    "anthropic_batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("requests", JSONB, nullable=False),
    Column("version", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Column("cancel_initiated_at", DateTime(timezone=True)),
)


def add_routes(routes: APIRouter, state: SandboxState) -> None:
    """The batch routes, below /v1/messages/batches."""
    _list_routes(routes, state)
    _batch_routes(routes, state)


def _list_routes(routes: APIRouter, state: SandboxState) -> None:
    origin = state.config.base_url

    @routes.post("/v1/messages/batches")
    async def create(request: Request) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        version = anthropic_wire.check_caller(request, state.config.token)
        wanted = _checked(await anthropic_wire.read_json(request))
        now = state.clock.now()
        seconds = state.controls.latency.get("anthropic_batches", 0.0)
        values = {
            "id": anthropic_wire.new_id("msgbatch_"),
            "requests": wanted,
            "version": version,
            "created_at": now,
            "ends_at": now + timedelta(seconds=seconds, microseconds=1),
        }
        statement = insert(batches).values(values).returning(batches)
        row: Any = await state.run(lambda connection: connection.execute(statement).one())
        return JSONResponse(_wire(row, now, origin), headers=anthropic_wire.success_headers())

    @routes.get("/v1/messages/batches")
    async def show_all(  # pyright: ignore[reportUnusedFunction]
        request: Request, limit: int = 20, after_id: str | None = None, before_id: str | None = None
    ) -> JSONResponse:
        anthropic_wire.check_caller(request, state.config.token)
        query = select(batches).order_by(batches.c.created_at.desc(), batches.c.id)
        rows: list[Any] = list(await state.run(lambda c: c.execute(query).all()))
        items = [_wire(row, state.clock.now(), origin) for row in rows]
        return JSONResponse(page(items, limit, after_id, before_id))


def _batch_routes(routes: APIRouter, state: SandboxState) -> None:
    @routes.get("/v1/messages/batches/{batch_id}")
    async def show(request: Request, batch_id: str) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        anthropic_wire.check_caller(request, state.config.token)
        return _answer(state, await _row_of(state, batch_id))

    @routes.post("/v1/messages/batches/{batch_id}/cancel")
    async def cancel(request: Request, batch_id: str) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        anthropic_wire.check_caller(request, state.config.token)
        row = await _row_of(state, batch_id)
        now = state.clock.now()
        if row.ends_at <= now:
            raise ApiError(400, f"batch {batch_id} has already ended")
        change = update(batches).where(batches.c.id == batch_id).values(cancel_initiated_at=now)
        await state.run(lambda connection: connection.execute(change) and None)
        return _answer(state, await _row_of(state, batch_id))

    @routes.delete("/v1/messages/batches/{batch_id}")
    async def remove(request: Request, batch_id: str) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        anthropic_wire.check_caller(request, state.config.token)
        row = await _row_of(state, batch_id)
        if row.ends_at > state.clock.now():
            raise ApiError(400, "a batch in progress cannot be deleted; cancel it first")
        gone = batches.delete().where(batches.c.id == batch_id)
        await state.run(lambda connection: connection.execute(gone) and None)
        return JSONResponse({"id": batch_id, "type": "message_batch_deleted"})

    @routes.get("/v1/messages/batches/{batch_id}/results")
    async def results(request: Request, batch_id: str) -> StreamingResponse:  # pyright: ignore[reportUnusedFunction]
        anthropic_wire.check_caller(request, state.config.token)
        row = await _row_of(state, batch_id)
        if row.ends_at > state.clock.now():
            raise ApiError(404, f"batch {batch_id} has no results yet")
        return StreamingResponse(_results(state, row), media_type="application/x-jsonl")


async def _row_of(state: SandboxState, batch_id: str) -> Any:
    query = select(batches).where(batches.c.id == batch_id)
    row = await state.run(lambda connection: connection.execute(query).one_or_none())
    if row is None:
        raise ApiError(404, f"batch {batch_id} was not found")
    return row


def _answer(state: SandboxState, row: Any) -> JSONResponse:
    content = _wire(row, state.clock.now(), state.config.base_url)
    return JSONResponse(content, headers=anthropic_wire.success_headers())


def page(
    items: list[dict[str, object]], limit: int, after_id: str | None, before_id: str | None
) -> dict[str, object]:
    """One page of a list, `after_id` and `before_id` being exclusive."""
    ids = [item["id"] for item in items]
    start = ids.index(after_id) + 1 if after_id in ids else 0
    end = ids.index(before_id) if before_id in ids else len(items)
    chosen = items[start:end]
    shown = chosen[-limit:] if before_id in ids else chosen[:limit]
    return {
        "data": shown,
        "has_more": len(chosen) > len(shown),
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
    }


def _checked(data: Any) -> list[dict[str, Any]]:
    wanted: Any = data.get("requests") if isinstance(data, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(wanted, list) or not wanted:
        raise ApiError(400, "requests: List should have at least 1 item")
    items = cast("list[dict[str, Any]]", wanted)
    if len(items) > MOST_REQUESTS:
        raise ApiError(413, f"a batch holds at most {MOST_REQUESTS} requests")
    ids = [str(item.get("custom_id")) for item in items]
    for index, custom_id in enumerate(ids):
        if not _CUSTOM_ID.match(custom_id):
            raise ApiError(400, f"requests.{index}.custom_id: {custom_id!r} is not valid")
    if len(set(ids)) != len(ids):
        raise ApiError(400, "requests: custom_id must be unique within a batch")
    return items


async def _results(state: SandboxState, row: Any) -> AsyncIterator[str]:
    for item in cast("list[dict[str, Any]]", row.requests):
        result = await _result(state, item.get("params"), row)
        yield json.dumps({"custom_id": item["custom_id"], "result": result}) + "\n"


async def _result(state: SandboxState, params: Any, row: Any) -> Mapping[str, object]:
    if row.cancel_initiated_at is not None:
        return {"type": "canceled"}
    try:
        body = anthropic_wire.read_messages(params, row.version)
        anthropic_messages.check(body)
        message = await anthropic_messages.reply(state, body, _ROUTE, tier="batch")
    except ApiError as error:
        return {"type": "errored", "error": json.loads(bytes(error.response().body))}
    return {"type": "succeeded", "message": message}


def _wire(row: Any, now: datetime, origin: str) -> dict[str, object]:
    ended = row.ends_at <= now
    count = len(row.requests)
    canceled = row.cancel_initiated_at is not None
    status = "ended" if ended else ("canceling" if canceled else "in_progress")
    results_url = f"{origin}/anthropic/v1/messages/batches/{row.id}/results"
    return {
        "id": row.id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {
            "processing": 0 if ended else count,
            "succeeded": count if ended and not canceled else 0,
            "errored": 0,
            "canceled": count if ended and canceled else 0,
            "expired": 0,
        },
        "created_at": row.created_at.isoformat(),
        "expires_at": (row.created_at + timedelta(hours=24)).isoformat(),
        "ended_at": row.ends_at.isoformat() if ended else None,
        "cancel_initiated_at": row.cancel_initiated_at.isoformat() if canceled else None,
        "archived_at": None,
        "results_url": results_url if ended else None,
    }
