"""One supervised process: start, look, end, and what it last said.

Belongs here: the process and its log file. Does not: when to start or restart it (supervisor.py).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vixen_pipeline.logs import redact_text

MAX_LOG_BYTES = 10_000_000
TAIL_BYTES = 8_192
TAIL_LINES = 6
TAIL_WIDTH = 300
_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to run and how to know that it works. `ready` returns None when it is, else why not."""

    name: str
    command: Sequence[str]
    ready: Callable[[float], str | None]
    """Called with the epoch second of the start."""
    ready_timeout_s: float = 120.0
    address: str = ""


class Child:
    """One process of the instance. Start it in a thread that lives as long as it should."""

    def __init__(self, spec: ProcessSpec, environment: Mapping[str, str], logs: Path) -> None:
        self.spec = spec
        self.log = logs / f"{spec.name}.log"
        self.started_at = 0.0
        self.ready = False
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a session of its own, so that a terminal's Ctrl-C reaches only us."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        cap(self.log)
        self.started_at = time.time()
        self.ready = False
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
        with self.log.open("ab") as output:
            moment = datetime.now(UTC).isoformat(timespec="seconds")
            output.write(f"--- {self.spec.name} starts {moment}\n".encode())
            output.flush()
            self._process = subprocess.Popen(
                [*launcher, *self.spec.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self._environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs (or was never started)."""
        return self._process.poll() if self._process is not None else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        """Ask it to end; its own children are its own affair."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def kill_group(self) -> None:
        """End it and its whole process group now."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self, timeout: float) -> bool:
        """True when it has ended within `timeout` seconds."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def ended_how(self) -> str:
        """For people: "exit code 1", "killed by SIGKILL"."""
        code = self.exit_code
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"

    def last_lines(self) -> list[str]:
        """The end of its log since it started, without secrets."""
        return tail(self.log, since=f"--- {self.spec.name} starts ")


def tail(log: Path, *, since: str | None = None) -> list[str]:
    """The last lines of a log file, secrets taken out; only those after the last `since` line."""
    if not log.exists():
        return []
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - TAIL_BYTES))
        lines = handle.read().decode(errors="replace").splitlines()
    if since is not None:
        starts = [number for number, text in enumerate(lines) if text.startswith(since)]
        lines = lines[starts[-1] + 1 :] if starts else lines
    kept = [_shown(text) for text in lines if text.strip()]
    return [redact_text(text)[:TAIL_WIDTH] for text in kept[-TAIL_LINES:]]


def _shown(line: str) -> str:
    """A line for people: of a JSON record, the event's own first line."""
    try:
        record: Any = json.loads(line)
        return str(record["event"]).splitlines()[0]
    except (ValueError, KeyError, TypeError, IndexError):
        return line.rstrip()


def cap(log: Path) -> None:
    """Keep a log and one older part of it, each at most MAX_LOG_BYTES.

    Copied and emptied, not renamed: the process keeps its handle, which appends.
    """
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        shutil.copyfile(log, log.with_name(log.name + ".1"))
        os.truncate(log, 0)
