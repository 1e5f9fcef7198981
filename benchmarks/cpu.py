"""Processor time: of this process with its children, and of an instance's database server.

Belongs here: reading counters. Does not: deciding what is measured.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of processor time. `ours` includes ended children (ffmpeg)."""

    ours: float
    database: float

    def since(self, before: Cpu) -> Cpu:
        return Cpu(self.ours - before.ours, self.database - before.database)

    @property
    def total(self) -> float:
        return self.ours + self.database


def read(data_dir: Path) -> Cpu:
    """Both counters now; `data_dir` is the server's. Raises RuntimeError when they cannot be read.

    A session that is just ending is counted neither as a child nor by the server: what it has used
    would show later, as if it were of what is measured. So that is waited for.
    """
    end = time.monotonic() + PATIENCE_S
    while (server := _server(data_dir)) is None:
        if time.monotonic() > end:
            raise RuntimeError("the processor time of the database server cannot be read")
        time.sleep(0.02)
    times = os.times()
    return Cpu(times.user + times.system + times.children_user + times.children_system, server)


def _server(data_dir: Path) -> float | None:
    """Seconds of the server and all its sessions; None when one of them ended meanwhile."""
    postmaster = psutil.Process(int((data_dir / "postmaster.pid").read_text().split()[0]))
    try:
        sessions = [child.cpu_times() for child in postmaster.children()]
    except psutil.NoSuchProcess:  # also one that has ended and was not waited for yet
        return None
    own = postmaster.cpu_times()
    return (
        sum(each.user + each.system for each in sessions)
        + own.user + own.system + own.children_user + own.children_system
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Machine:
    """Seconds of processor time of the whole machine: idle, ours (database included), the stand-in
    provider's. What is left was spent by others, and is not ours to answer for."""

    idle: float
    spent: float
    ours: float
    sandbox: float

    def shares(self, before: Machine) -> str:
        """Who used the machine since, in percent."""
        idle, spent = self.idle - before.idle, self.spent - before.spent
        ours, sandbox = self.ours - before.ours, self.sandbox - before.sandbox
        named = {"us": ours, "sandbox": sandbox, "others": max(0.0, spent - ours - sandbox)}
        whole = (idle + spent) or 1.0
        parts = [f"{name} {part / whole:.0%}" for name, part in {**named, "idle": idle}.items()]
        return "processors: " + ", ".join(parts)


def read_machine(data_dir: Path) -> Machine:
    """Counters of the machine now, and what this process's instance has of them."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    living = [
        child.cpu_times()
        for child in psutil.Process().children()
        if "vixen_pipeline.sandbox" in child.cmdline()
    ]
    return Machine(
        idle,
        sum(times) - idle,
        read(data_dir).total,
        sum(each.user + each.system for each in living),
    )
