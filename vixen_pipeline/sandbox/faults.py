"""Faults to order. Belongs here: what is armed and what it does to a reply. Does not: HTTP routes.

Two families:
- reply faults (latency, rate_limit, error, drop_reply, stall) are applied to every provider by
  `app.SandboxApp` around the handler: a router needs to do nothing, but may register how its
  provider words an error with `shape`;
- content faults (corrupt, vanish, stranger, duplicate, blurry, nsfw, malformed, refuse, …) are
  taken by the handler that can act on them: `fault = state.faults.take("openai", "refuse")`.

Faults live in memory: a restarted sandbox is a healthy one.
"""

from __future__ import annotations

import fnmatch
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from fastapi import Response
from fastapi.responses import JSONResponse

REPLY_KINDS = frozenset({"latency", "rate_limit", "error", "drop_reply", "stall"})
Phase = Literal["before", "after"]
Shape = Callable[[int, float | None], Response]
_ids = count(1)


@dataclass(slots=True)
class Fault:
    """One armed fault.

    `route` is a glob over "METHOD /path" below the provider, e.g. `POST */trainings`; None is any.
    `phase` before: the effect did not happen; after: it did. `count` is how often it still
    strikes, None for ever. `seconds` is the delay, or the Retry-After of a rate limit.
    """

    provider: str
    kind: str
    route: str | None = None
    phase: Phase = "before"
    status: int | None = None
    seconds: float | None = None
    count: int | None = 1
    probability: float = 1.0
    id: int = field(default_factory=lambda: next(_ids))


def _plain(status: int, retry_after: float | None) -> Response:
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return JSONResponse({"detail": f"sandbox fault: status {status}"}, status, headers)


class Faults:
    """The armed faults. Safe to use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []
        self._shapes: dict[str, Shape] = {}
        self._random = random.Random(7)

    def arm(self, fault: Fault) -> Fault:
        with self._lock:
            self._armed.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def armed(self) -> list[Fault]:
        with self._lock:
            return list(self._armed)

    def shape(self, provider: str, shape: Shape) -> None:
        """Register how `provider` words an error: (status, retry_after seconds) to a Response."""
        self._shapes[provider] = shape

    def response(self, provider: str, status: int, retry_after: float | None) -> Response:
        return self._shapes.get(provider, _plain)(status, retry_after)

    def take(
        self, provider: str, kind: str, route: str | None = None, phase: Phase | None = None
    ) -> Fault | None:
        """The first armed fault of this kind that strikes now; its count goes down by one.

        `route` is "METHOD /path below the provider"; a fault with a route needs it to match.
        """
        with self._lock:
            for fault in self._armed:
                if (
                    fault.provider not in (provider, "*")
                    or fault.kind != kind
                    or (phase is not None and fault.phase != phase)
                    or not _matches(fault, route)
                    or self._random.random() >= fault.probability
                ):
                    continue
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count <= 0:
                        self._armed.remove(fault)
                return fault
        return None


def _matches(fault: Fault, route: str | None) -> bool:
    return fault.route is None or (route is not None and fnmatch.fnmatch(route, fault.route))
