"""How everything ends: what starts work first, what the work needs last, nothing left behind.

Belongs here: the order and the patience. Does not: Postgres, which ends after all of this.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from vixen_pipeline.runtime import leftovers
from vixen_pipeline.runtime.child import Child

# The daemon first: it starts runs. Then runs end while what they talk to still answers.
FIRST = ("daemon", "webserver")
RUNS = ("code-server",)
LAST = ("gateway", "sandbox")

GRACE_S = 10.0
RUN_GRACE_S = 20.0
INTERRUPTED_GRACE_S = 10.0
NOTICE_AFTER_S = 2.0


class Shutdown:
    """Ends children in order. `hurry` from any thread takes the patience away."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._hurry = threading.Event()

    def hurry(self) -> None:
        self._hurry.set()

    def take_down(self, children: Mapping[str, Child], home: Path) -> None:
        """Returns when no process of the instance is left."""
        self._end(children, FIRST, GRACE_S)
        self._end_runs(children, home)
        self._end(children, LAST, GRACE_S)
        rest = leftovers.marked(home)
        if rest:
            leftovers.end(rest, grace=0.5 if self._hurry.is_set() else GRACE_S)

    def _end(self, children: Mapping[str, Child], names: tuple[str, ...], grace: float) -> None:
        chosen = [children[name] for name in names if name in children]
        for child in chosen:
            child.terminate()
        end = time.monotonic() + grace
        for child in chosen:
            if not self._ended(child, end):
                self._say(f"{child.spec.name} does not stop: killed")
            child.kill_group()

    def _end_runs(self, children: Mapping[str, Child], home: Path) -> None:
        """The code server ends when its runs have; those that take too long are interrupted, which
        lets them say so in Dagster's event log before they end."""
        server = children.get(RUNS[0])
        if server is None or server.pid is None:
            return
        server.terminate()
        if not self._ended(server, time.monotonic() + NOTICE_AFTER_S):
            self._say(f"waiting up to {RUN_GRACE_S:g} s for runs in progress (Ctrl-C: stop now)")
            self._ended(server, time.monotonic() + RUN_GRACE_S)
        runs = leftovers.in_session(server.pid, leftovers.marked(home))
        if runs:
            self._say(f"interrupting {len(runs)} processes of runs in progress")
            leftovers.end(runs, grace=0.5 if self._hurry.is_set() else INTERRUPTED_GRACE_S)
        server.kill_group()

    def _ended(self, child: Child, end: float) -> bool:
        while not child.wait(0.05):
            if self._hurry.is_set() or time.monotonic() > end:
                return False
        return True
