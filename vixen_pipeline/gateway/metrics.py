"""What Prometheus reads at /metrics. Belongs here: the measures. Not: when they are taken."""

from __future__ import annotations

import time
from collections.abc import Collection

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """One registry per app, so that two apps in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.webhooks = Counter(
            "vixen_webhooks_total",
            "Webhook deliveries by provider and outcome: landed, duplicate, refused, too_large, "
            "unavailable, off.",
            ["provider", "outcome"],
            registry=self.registry,
        )
        self.requests = Histogram(
            "vixen_http_request_duration_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ["route", "status"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "vixen_http_requests_in_flight", "Requests being answered now.", registry=self.registry
        )
        self.pool_waiting = Gauge(
            "vixen_gateway_pool_requests_waiting",
            "Deliveries waiting for a database connection.",
            registry=self.registry,
        )
        self.daemon_age = Gauge(
            "vixen_dagster_daemon_heartbeat_age_seconds",
            "Age of the sensor daemon's last heartbeat; NaN when it never beat.",
            registry=self.registry,
        )

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)


class MeasuredApp:
    """ASGI wrapper that times each request; no framework middleware, no copies of bodies."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = frozenset(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = "499"  # the sender went away before there was an answer

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        started = time.perf_counter()
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, note_status)
        finally:
            self._metrics.in_flight.dec()
            # Unknown paths share one label: scanners must not fill the memory.
            route = scope["path"] if scope["path"] in self._routes else "other"
            elapsed = time.perf_counter() - started
            self._metrics.requests.labels(route, status).observe(elapsed)
