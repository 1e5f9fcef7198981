"""Processes that belong to this instance, found by a mark in their environment.

Belongs here: finding and ending what a killed supervisor left behind, and what its children left.
Pids on file would not do: pids are reused, and grandchildren (run workers) are in nobody's list.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import psutil

MARK = "VIXEN_UP_HOME"
"""Set for every child to the instance's folder; inherited by whatever a child starts."""

TERM_GRACE_S = 8.0
KILL_GRACE_S = 5.0


def marked(home: Path) -> list[psutil.Process]:
    """Live processes of this instance, without ourselves."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            mine = process.environ().get(MARK) == str(home)
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # another user's, or gone meanwhile
    return found


def in_session(session: int, processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those of `processes` that live in the session a child leads."""
    found: list[psutil.Process] = []
    for process in processes:
        try:
            if os.getsid(process.pid) == session:
                found.append(process)
        except ProcessLookupError:
            continue
    return found


def end(processes: Sequence[psutil.Process], *, grace: float = TERM_GRACE_S) -> int:
    """TERM, wait, KILL, wait. Returns how many needed the KILL."""
    for process in processes:
        _signal(process, kill=False)
    _, alive = psutil.wait_procs(processes, timeout=grace)
    for process in alive:
        _signal(process, kill=True)
    psutil.wait_procs(alive, timeout=KILL_GRACE_S)
    return len(alive)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return
