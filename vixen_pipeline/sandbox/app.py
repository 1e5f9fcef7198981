"""The sandbox as one ASGI app. Belongs here: mounting, faults around every call, call counts.

Does not: what any provider answers. Each provider module offers `router(state) -> APIRouter`.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from vixen_pipeline.sandbox.config import SandboxConfig
from vixen_pipeline.sandbox.state import SandboxState

# (prefix below the base URL, which is also the provider's name in faults; module)
ROUTERS: tuple[tuple[str, str], ...] = (
    ("replicate", "vixen_pipeline.sandbox.replicate_api"),
    ("anthropic", "vixen_pipeline.sandbox.anthropic_api"),
    ("openai", "vixen_pipeline.sandbox.openai_api"),
    ("modal", "vixen_pipeline.sandbox.modal_api"),
    ("s3", "vixen_pipeline.sandbox.objects_api"),
    ("_control", "vixen_pipeline.sandbox.control"),
)
STALL_SECONDS = 180.0


class SandboxApp(FastAPI):
    """FastAPI with the ordered faults around every provider call."""

    sandbox: SandboxState

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        provider, route = _address(scope)
        if provider is None:
            await super().__call__(scope, receive, send)
            return
        if not await self._before(provider, route, scope, receive, send):
            return
        fate = self._after(provider, route)
        if fate is None:
            await super().__call__(scope, receive, send)
        else:
            await super().__call__(scope, receive, _swallow)
            await self._misreport(fate, provider, scope, receive, send)
        self.sandbox.calls[f"{provider} {_template(scope, route)}"] += 1

    async def _before(
        self, provider: str, route: str, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Delays and refusals that come before the effect; False when the call is over."""
        faults = self.sandbox.faults
        seconds = self.sandbox.controls.latency.get(f"{provider} {route}", 0.0)
        seconds += self.sandbox.controls.latency.get(provider, 0.0) if provider not in WORK else 0
        if (fault := faults.take(provider, "latency", route, "before")) is not None:
            seconds += fault.seconds or 0.0
        if (fault := faults.take(provider, "stall", route, "before")) is not None:
            seconds += fault.seconds or STALL_SECONDS
        if seconds:
            await asyncio.sleep(seconds)
        for kind, status in (("rate_limit", 429), ("error", 500), ("drop_reply", 0)):
            fault = faults.take(provider, kind, route, "before")
            if fault is not None:
                self.sandbox.calls[f"{provider} fault {kind}"] += 1
                await self._misreport(
                    (fault.status or status, fault.seconds), provider, scope, receive, send
                )
                return False
        return True

    def _after(self, provider: str, route: str) -> tuple[int, float | None] | None:
        """(status, seconds) of a fault that hides the reply of an effect that happened."""
        for kind, status in (("error", 500), ("drop_reply", 0), ("stall", 0), ("rate_limit", 429)):
            fault = self.sandbox.faults.take(provider, kind, route, "after")
            if fault is not None:
                self.sandbox.calls[f"{provider} fault {kind}"] += 1
                if kind == "stall":
                    return 0, fault.seconds or STALL_SECONDS
                return fault.status or status, fault.seconds
        return None

    async def _misreport(
        self,
        fate: tuple[int, float | None],
        provider: str,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer with an error, or (status 0) close the connection without an answer."""
        status, seconds = fate
        if status:
            response = self.sandbox.faults.response(provider, status, seconds)
            await response(scope, receive, send)
            return
        if seconds:
            await asyncio.sleep(seconds)
        cycle = getattr(send, "__self__", None)
        transport: asyncio.Transport | None = getattr(cycle, "transport", None)
        if transport is None:
            raise RuntimeError("dropping a reply needs a server with a transport (uvicorn)")
        transport.abort()
        while not getattr(cycle, "disconnected", True):
            await asyncio.sleep(0)  # until the server has seen it, or it would answer 500


# Providers whose standing latency is the time their work takes, applied by their own routers.
WORK = frozenset({"replicate"})


async def _swallow(message: Message) -> None:
    """Take a reply that nobody will ever see."""


def _address(scope: Scope) -> tuple[str | None, str]:
    """(provider, "METHOD /path below it"); (None, "") for what no fault may touch."""
    if scope["type"] != "http":
        return None, ""
    provider, _, rest = str(scope["path"]).lstrip("/").partition("/")
    if provider in ("_control", "healthz") or provider not in {prefix for prefix, _ in ROUTERS}:
        return None, ""
    return provider, f"{scope['method']} /{rest}"


def _template(scope: Scope, route: str) -> str:
    """The route's template, so that counts are per route and not per id."""
    path: str | None = getattr(scope.get("route"), "path", None)
    if path is None:
        return f"{scope['method']} (no route)"
    return f"{scope['method']} {path}"


def create_app(config: SandboxConfig) -> SandboxApp:
    """Build the app. Tables are created, and background workers run, in its lifespan."""
    state = SandboxState(config)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        await asyncio.to_thread(state.create_tables)
        tasks = [asyncio.create_task(_forever(worker)) for worker in state.workers]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await state.close()

    app = SandboxApp(title="Vixen provider sandbox", lifespan=lifespan)
    app.sandbox = state
    for prefix, name in ROUTERS:
        if importlib.util.find_spec(name) is None:
            continue  # a provider that is not built yet
        module: Any = importlib.import_module(name)
        app.include_router(module.router(state), prefix=f"/{prefix}")

    @app.get("/healthz")
    async def health() -> dict[str, bool]:  # pyright: ignore[reportUnusedFunction]
        return {"ok": True}

    return app


async def _forever(worker: Any) -> None:
    await worker()
