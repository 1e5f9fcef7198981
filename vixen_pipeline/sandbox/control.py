"""The control API: faults, time, latency, outcomes, counts, reset. For people and tests only.

Does not: what a fault does (faults.py, and the providers' own modules).
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from vixen_pipeline.sandbox.drawing_pool import pictures
from vixen_pipeline.sandbox.faults import Fault, Phase
from vixen_pipeline.sandbox.state import SandboxState, metadata

QUALITY = 90  # what a client that does not ask for a quality gets


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FaultOrder(Order):
    provider: str
    kind: str
    route: str | None = None
    phase: Phase = "before"
    status: int | None = Field(None, ge=400, le=599)
    seconds: float | None = Field(None, ge=0)
    count: int | None = Field(1, ge=1)
    probability: float = Field(1.0, gt=0, le=1)


class TimeOrder(Order):
    advance_seconds: float = Field(ge=0)


class LatencyOrder(Order):
    provider: str
    seconds: float = Field(ge=0)
    route: str | None = None


class WebhookOrder(Order):
    mode: Literal["normal", "drop", "duplicate", "reorder", "delay"]
    times: int = Field(2, ge=1, le=50)
    seconds: float = Field(1.0, ge=0)


class TrainingOrder(Order):
    seconds: float | None = Field(None, ge=0)
    outcome: Literal["succeeded", "failed", "canceled", "aborted"] | None = None
    weights: (
        Literal["good", "truncated", "wrong_family", "html", "stranger", "same", "memorised"] | None
    ) = None
    checkpoints: int | None = Field(None, ge=0, le=20)


class PredrawnOrder(Order):
    on: bool
    count: int = Field(96, ge=1, le=500)
    width: int = Field(1024, ge=64, le=4096)
    height: int = Field(1024, ge=64, le=4096)


def router(state: SandboxState) -> APIRouter:
    """All control routes. Unauthenticated on purpose: the server listens on loopback."""
    routes = APIRouter(tags=["control"])
    _fault_routes(routes, state)
    _order_routes(routes, state)
    _state_routes(routes, state)
    return routes


def _fault_routes(routes: APIRouter, state: SandboxState) -> None:
    @routes.post("/faults", status_code=201)
    async def arm(order: FaultOrder) -> dict[str, int]:  # pyright: ignore[reportUnusedFunction]
        return {"id": state.faults.arm(Fault(**order.model_dump())).id}

    @routes.delete("/faults")
    async def clear() -> dict[str, bool]:  # pyright: ignore[reportUnusedFunction]
        state.faults.clear()
        return {"ok": True}


def _order_routes(routes: APIRouter, state: SandboxState) -> None:
    @routes.post("/time")
    async def advance(order: TimeOrder) -> dict[str, str]:  # pyright: ignore[reportUnusedFunction]
        total = state.controls.time_offset + order.advance_seconds
        await state.change_controls(time_offset=total)
        return {"now": state.clock.now().isoformat()}

    @routes.post("/latency")
    async def latency(order: LatencyOrder) -> dict[str, float]:  # pyright: ignore[reportUnusedFunction]
        name = order.provider if order.route is None else f"{order.provider} {order.route}"
        await state.change_controls(latency={**state.controls.latency, name: order.seconds})
        return state.controls.latency

    @routes.post("/webhooks")
    async def webhooks(order: WebhookOrder) -> dict[str, bool]:  # pyright: ignore[reportUnusedFunction]
        await state.change_controls(
            webhook_mode=order.mode, webhook_times=order.times, webhook_seconds=order.seconds
        )
        return {"ok": True}

    @routes.post("/training")
    async def training(order: TrainingOrder) -> dict[str, bool]:  # pyright: ignore[reportUnusedFunction]
        changes = order.model_dump(exclude_none=True)
        await state.change_controls(**{f"training_{name}": v for name, v in changes.items()})
        return {"ok": True}

    @routes.post("/predrawn")
    async def predrawn(order: PredrawnOrder) -> dict[str, bool]:  # pyright: ignore[reportUnusedFunction]
        if order.on:
            await asyncio.to_thread(pictures, order.width, order.height, QUALITY, order.count)
        await state.change_controls(predrawn=order.count if order.on else 0)
        return {"ok": True}


def _state_routes(routes: APIRouter, state: SandboxState) -> None:
    @routes.get("/state")
    async def show() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        def count(connection: Connection) -> dict[str, Any]:
            found: dict[str, Any] = {}
            for counter in state.counts:
                found.update(counter(connection))
            return found

        counts = await state.run(count)
        return {
            **counts,
            "calls": dict(state.calls),
            "faults": [fault.kind for fault in state.faults.armed()],
            "now": state.clock.now().isoformat(),
        }

    @routes.get("/trainings")
    async def trainings() -> list[dict[str, Any]]:  # pyright: ignore[reportUnusedFunction]
        return await state.run(state.listings["trainings"])

    @routes.post("/reset")
    async def reset() -> dict[str, bool]:  # pyright: ignore[reportUnusedFunction]
        def empty(connection: Connection) -> None:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
            for hook in state.on_reset:
                hook(connection)

        state.faults.clear()
        state.calls.clear()
        await state.run(empty)
        await asyncio.to_thread(state.load_controls)
        return {"ok": True}
