"""Processor time: of this process with its children, and of an instance's database server.

Belongs here: reading counters. Does not: deciding what is measured.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil


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
    """Both counters now; `data_dir` is the server's."""
    times = os.times()
    postmaster = psutil.Process(int((data_dir / "postmaster.pid").read_text().split()[0]))
    server = postmaster.cpu_times()
    spent = server.user + server.system + server.children_user + server.children_system
    for child in postmaster.children():
        try:
            mine = child.cpu_times()
        except psutil.NoSuchProcess:
            continue  # counted by the postmaster from now on
        spent += mine.user + mine.system
    ours = times.user + times.system + times.children_user + times.children_system
    return Cpu(ours, spent)
