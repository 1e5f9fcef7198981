"""One supervisor per folder: a lock that the kernel frees when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any

from vixen_pipeline.errors import Busy
from vixen_pipeline.settings import read_runtime

LOCK_FILE = "up.lock"


class UpLock:
    """`<home>/up.lock`. The pid in it is for people; what counts is the lock on the file."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._handle: IO[str] | None = None

    def acquire(self) -> None:
        """Take it. Raises Busy, naming the holder, when somebody has it."""
        self._home.mkdir(parents=True, exist_ok=True)
        handle = (self._home / LOCK_FILE).open("a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            raise _busy(self._home) from None
        handle.truncate(0)
        handle.write(json.dumps({"pid": os.getpid()}))
        handle.flush()
        self._handle = handle

    def release(self) -> None:
        """Give it back; the file stays, because removing it would let two holders in."""
        if self._handle is not None:
            self._handle.truncate(0)
            self._handle.close()
            self._handle = None


def holder(home: Path) -> int | None:
    """Pid of the supervisor that runs in this folder; None when none does."""
    path = home / LOCK_FILE
    if not path.exists():
        return None
    with path.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _pid_in(path)
    return None


def _pid_in(path: Path) -> int:
    """0 in the instant between taking the lock and writing the pid."""
    try:
        content: Any = json.loads(path.read_text())
        return int(content["pid"])
    except (ValueError, KeyError, TypeError):
        return 0


def _busy(home: Path) -> Busy:
    pid = _pid_in(home / LOCK_FILE)
    url = read_runtime(home).get("VIXEN_DAGSTER_URL")
    where = f", UI at {url}" if url else ""
    return Busy(
        f"vixen is already up in {home} (process {pid or 'starting'}{where}).",
        next_step="Stop that one first, or set another VIXEN_HOME.",
    )
