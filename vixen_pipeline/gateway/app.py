"""The gateway as one ASGI app. Belongs here: routes and their parts. Not: what they do."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from vixen_pipeline.gateway.health import DaemonProbe
from vixen_pipeline.gateway.landing import Landing
from vixen_pipeline.gateway.metrics import MeasuredApp, Metrics
from vixen_pipeline.gateway.sources import WebhookSource
from vixen_pipeline.gateway.webhooks import WebhookEndpoint

DAEMON_LATE_S = 120.0
"""The daemon beats every 30 s."""


class Gateway:
    """The ASGI app: FastAPI inside one thin layer that measures. `api` is the FastAPI part."""

    def __init__(
        self, database_url: str, dagster_url: str, sources: Mapping[str, WebhookSource]
    ) -> None:
        self.metrics = Metrics()
        self.landing = Landing(database_url)
        self.daemon = DaemonProbe(dagster_url)
        self.sources = sources
        self.api = self._routes()
        paths = {f"/webhooks/{provider}" for provider in sources}
        paths |= {"/healthz", "/readyz", "/metrics"}
        self._app = MeasuredApp(self.api, self.metrics, paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _routes(self) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
            await self.landing.open()
            yield
            await self.landing.close()

        # No document of an API that is not there yet, and no routes of it before ours.
        api = FastAPI(title="Vixen gateway", lifespan=lifespan, openapi_url=None)
        # Plain routes: no parsing, no dependency solving, no validation in this path.
        for provider, source in self.sources.items():
            endpoint = WebhookEndpoint(source, self.landing, self.metrics)
            api.router.add_route(f"/webhooks/{provider}", endpoint.__call__, methods=["POST"])
        api.router.add_route("/healthz", self._healthz)
        api.router.add_route("/readyz", self._readyz)
        api.router.add_route("/metrics", self._metrics)
        return api

    async def _healthz(self, _: Request) -> Response:
        """The process answers. Nothing else is asked, so that a restart is asked for rightly."""
        return JSONResponse({"ok": True})

    async def _readyz(self, _: Request) -> Response:
        """503 only when the database is away: a webhook can be taken while Dagster is down, and a
        gateway that a load balancer takes out for that would lose it."""
        wrong = await self.landing.answers()
        age = await self.daemon.age()
        beats = age.heartbeat_s is not None and age.heartbeat_s < DAEMON_LATE_S
        document = {
            "ready": wrong is None,
            "database": "ok" if wrong is None else wrong,
            "daemon": "ok" if beats else "late",
            "daemon_heartbeat_age_s": age.heartbeat_s,
            "daemon_tick_age_s": age.tick_s,
            "daemon_error": age.error,
            "webhooks": {
                name: "on" if source.verifier else "off" for name, source in self.sources.items()
            },
        }
        return JSONResponse(document, 200 if wrong is None else 503)

    async def _metrics(self, _: Request) -> Response:
        age = await self.daemon.age()
        beat = age.heartbeat_s
        self.metrics.daemon_age.set(math.nan if beat is None else beat)
        stats = self.landing.pool.get_stats()
        self.metrics.pool_waiting.set(stats.get("requests_waiting", 0))
        return Response(
            self.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )


def create_app(
    database_url: str, dagster_url: str, sources: Mapping[str, WebhookSource]
) -> Gateway:
    """The gateway's ASGI app; connects in its lifespan."""
    return Gateway(database_url, dagster_url, sources)
