"""What Modal brings, in one process: a ledger and runs. Belongs here: stand-ins with faults.

Does not: assertions. The interleavings that a real deployment may meet are ordered by tests.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vixen_inference.calls import RunFailed, work
from vixen_inference.wire import Generate


class Lost(Exception):
    """A connection that broke: it says nothing about any run."""


@dataclass
class MemoryLedger:
    """Put-if-absent in a dict, under a lock, as a Modal Dict does it."""

    entries: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def claim(self, key: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
        with self.lock:
            return self.entries.setdefault(key, dict(value))

    async def put_if_absent(self, key: str, value: Mapping[str, Any]) -> bool:
        await asyncio.sleep(0)
        with self.lock:
            if key in self.entries:
                return False
            self.entries[key] = dict(value)
            return True

    async def get(self, key: str) -> Mapping[str, Any] | None:
        await asyncio.sleep(0)
        return self.entries.get(key)


class ThreadRunner:
    """Each run in a thread. `render` is counted: what it did is what would be paid."""

    def __init__(self, ledger: MemoryLedger, render: Callable[[Generate], dict[str, Any]]) -> None:
        self.ledger = ledger
        self.render = render
        self.rendered = 0
        self.started = 0
        self.dies_after_start = 0
        """This many starters are killed after the run began and before its id is noted."""
        self.dies_before_start = 0
        self.kill_runs = 0
        """This many runs die without a word once they have claimed the work."""
        self.lost_waits = 0
        self._runs: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()

    async def start(self, body: Mapping[str, Any], attempt: str) -> str:
        if self.dies_before_start:
            self.dies_before_start -= 1
            raise asyncio.CancelledError
        self.started += 1
        call = f"fc-{self.started}"
        loop = asyncio.get_running_loop()
        self._runs[call] = loop.run_in_executor(None, self._run, body, attempt, call)
        if self.dies_after_start:
            self.dies_after_start -= 1
            raise asyncio.CancelledError
        return call

    def _run(self, body: Mapping[str, Any], attempt: str, call: str) -> dict[str, Any]:
        return work(body, attempt, call, self.ledger.claim, self._paid)

    def _paid(self, body: Generate) -> dict[str, Any]:
        with self._lock:
            self.rendered += 1
            if self.kill_runs:
                self.kill_runs -= 1
                raise SystemExit
        return self.render(body)

    async def wait(self, call: str, seconds: float) -> dict[str, Any] | None:
        if self.lost_waits:
            self.lost_waits -= 1
            raise Lost
        run = self._runs[call]
        done, _ = await asyncio.wait([run], timeout=max(seconds, 0.0))
        if not done:
            return None
        try:
            return run.result()
        except SystemExit as error:
            raise RunFailed("RemoteError") from error
