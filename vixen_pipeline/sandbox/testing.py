"""The sandbox in a thread, and a typed client of its control API. For tests and benchmarks.

with sandbox_server(database_url, objects_dir) as sandbox:
    replicate.Client(api_token=sandbox.token, base_url=sandbox.replicate_url)
    sandbox.control.fault("replicate", "rate_limit", count=2)
"""

from __future__ import annotations

import base64
import secrets
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from vixen_pipeline.sandbox.config import SandboxConfig

START_SECONDS = 20.0


class Control:
    """Typed calls of `/_control`. Each raises httpx.HTTPStatusError when the order is refused."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.Client(base_url=f"{base_url}/_control", timeout=120.0)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        response = self._client.request(method, path, json=body)
        response.raise_for_status()
        return response.json()

    def fault(
        self,
        provider: str,
        kind: str,
        *,
        route: str | None = None,
        phase: str = "before",
        status: int | None = None,
        seconds: float | None = None,
        count: int | None = 1,
        probability: float = 1.0,
    ) -> int:
        """Arm a fault; returns its id. `route` is a glob over "METHOD /path below the provider"."""
        body = {
            "provider": provider,
            "kind": kind,
            "route": route,
            "phase": phase,
            "status": status,
            "seconds": seconds,
            "count": count,
            "probability": probability,
        }
        return int(self._call("POST", "/faults", body)["id"])

    def clear_faults(self) -> None:
        self._call("DELETE", "/faults")

    def advance(self, seconds: float) -> None:
        """Move sandbox time forward."""
        self._call("POST", "/time", {"advance_seconds": seconds})

    def latency(self, provider: str, seconds: float, *, route: str | None = None) -> None:
        """How long the provider's work takes (replicate: a prediction), or one route's delay."""
        self._call("POST", "/latency", {"provider": provider, "seconds": seconds, "route": route})

    def training(
        self,
        *,
        seconds: float | None = None,
        outcome: str | None = None,
        weights: str | None = None,
        checkpoints: int | None = None,
    ) -> None:
        """What trainings created from now on do."""
        body = {
            "seconds": seconds,
            "outcome": outcome,
            "weights": weights,
            "checkpoints": checkpoints,
        }
        self._call("POST", "/training", {k: v for k, v in body.items() if v is not None})

    def webhooks(
        self, mode: str = "normal", *, times: int | None = None, seconds: float | None = None
    ) -> None:
        """How webhooks queued from now on travel: normal, drop, duplicate, reorder, delay."""
        body = {"mode": mode, "times": times, "seconds": seconds}
        self._call("POST", "/webhooks", {k: v for k, v in body.items() if v is not None})

    def predrawn(
        self, on: bool = True, *, count: int = 96, width: int = 1024, height: int = 1024
    ) -> None:
        """Serve `count` pictures drawn in advance; returns when the pool is ready."""
        body = {"on": on, "count": count, "width": width, "height": height}
        self._call("POST", "/predrawn", body)

    def state(self) -> dict[str, Any]:
        """Counts: trainings and predictions by status, calls per route, webhooks, faults."""
        return self._call("GET", "/state")

    def trainings(self) -> list[dict[str, Any]]:
        """Every training, oldest first, as the provider would state it."""
        return self._call("GET", "/trainings")

    def reset(self) -> None:
        """Forget everything but the credentials."""
        self._call("POST", "/reset")

    def close(self) -> None:
        self._client.close()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: where it is, its credential, and its control client."""

    url: str
    token: str
    webhook_secret: str
    database_url: str
    objects_dir: Path
    control: Control = field(repr=False)

    @property
    def replicate_url(self) -> str:
        return f"{self.url}/replicate"


def new_webhook_secret() -> str:
    """A Standard Webhooks secret with exactly one underscore, as the official SDK demands."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


@contextmanager
def sandbox_server(
    database_url: str, objects_dir: Path, *, token: str = "sandbox-token-for-tests"
) -> Generator[Sandbox]:
    """Serve a sandbox from a thread of this process on a free port.

    `database_url` is the sandbox's own database (it must exist; tables are created in it).
    """
    import uvicorn

    from vixen_pipeline.sandbox.app import create_app

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    secret = new_webhook_secret()
    app = create_app(SandboxConfig(database_url, url, token, objects_dir, secret))
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_level="error", access_log=False, lifespan="on", timeout_graceful_shutdown=1
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.005)
    if not server.started:
        raise RuntimeError("the sandbox did not start")
    control = Control(url)
    try:
        yield Sandbox(url, token, secret, database_url, objects_dir, control)
    finally:
        control.close()
        server.should_exit = True
        thread.join(timeout=START_SECONDS)
