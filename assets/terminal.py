"""How `vixen materialize` looks in a terminal.

Belongs here: progress on standard error (bars on a terminal, one line per result in a pipe), the
result on standard output. Does not: running anything.
"""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from assets.events import is_good, sentence
from vixen_pipeline.cli.console import note
from vixen_pipeline.stages import StageProgress, StageResult, StageSpec

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Display:
    """A bar per avatar and stage while it is worked on, a line when it ends. Safe for threads."""

    def __init__(self, *, bars: bool | None = None) -> None:
        self._bars = sys.stderr.isatty() if bars is None else bars
        self._lock = threading.Lock()
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._progress: Progress | None = None

    def __enter__(self) -> Display:
        if self._bars:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bars

            columns = (
                TextColumn("{task.fields[avatar]}"),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            self._progress = Bars(*columns, console=Console(stderr=True, highlight=False))
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def progress(self, step: StageProgress) -> None:
        if self._progress is None:
            return
        with self._lock:
            task = self._tasks.get((step.stage, step.avatar))
            if task is None:
                task = self._progress.add_task(step.stage, total=step.total, avatar=step.avatar)
                self._tasks[step.stage, step.avatar] = task
            self._progress.update(task, completed=step.done, total=step.total)

    def told(self, stage: StageSpec, result: StageResult) -> None:
        with self._lock:
            task = self._tasks.pop((stage.name, result.avatar), None)
        mark = "✓" if is_good(stage, result) else "…" if result.outcome == "waiting" else "✗"
        line = f"{mark} {sentence(stage, result)}"
        if self._progress is None:
            note(line)
            return
        if task is not None:
            self._progress.remove_task(task)
        self._progress.console.print(line, markup=False, highlight=False)
