"""Sandbox time: the machine's, plus what the control API added. Does not: time signatures.

The offset is kept by `SandboxState`, so a restarted sandbox is not younger than it was.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class VirtualClock:
    """System time moved forward by an offset. `sleep` is not offered: nothing here blocks."""

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self.offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def advance(self, seconds: float) -> None:
        self.offset += timedelta(seconds=seconds)
