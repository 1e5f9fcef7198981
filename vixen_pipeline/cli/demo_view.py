"""How the demo looks while it runs and when it ends.

Belongs here: drawing facts on a terminal, or as lines in a pipe. Does not: getting them, deciding
when the demo is over.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from vixen_pipeline.cli import console
from vixen_pipeline.cli.demo_facts import STAGES, AvatarProgress, DemoFacts

if TYPE_CHECKING:
    from rich.console import RenderableType

STAGE_COUNT = len(STAGES)
_DOING = {
    "described": "writing the persona",
    "persona": "drawing the reference portrait",
    "portrait": "making the dataset",
    "dataset": "submitting the training",
    "training": "training the LoRA",
    "ready": "ready",
    "archived": "archived",
    "exam": "examining the weights",
    "plan": "planning content",
    "images": "making images",
    "copy": "writing the words",
    "pieces": "making pieces ready to publish",
}


class LiveView:
    """A table that is redrawn in place; in a pipe, one line per change."""

    def __init__(self, keys: Sequence[str], images: int) -> None:
        from rich.live import Live

        self._keys = list(keys)
        self._images = images
        self._start = time.monotonic()
        self._said: dict[str, str] = {}
        err = console.err()
        self._live = Live(console=err, refresh_per_second=4) if err.is_terminal else None

    def __enter__(self) -> LiveView:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, rows: Sequence[AvatarProgress]) -> None:
        """Draw where every avatar stands now."""
        by_key = {row.avatar: row for row in rows}
        if self._live is not None:
            self._live.update(self._table(by_key))
            return
        for key in self._keys:
            said = _sentence(by_key.get(key))
            if self._said.get(key) != said:
                self._said[key] = said
                console.note(f"{self._seconds():5.0f} s  {key}: {said}")

    def _seconds(self) -> float:
        return time.monotonic() - self._start

    def _table(self, rows: Mapping[str, AvatarProgress]) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("avatar", "stages", "", "", "now"):
            table.add_column(column)
        for key in self._keys:
            row = rows.get(key)
            done = row.stages_done if row is not None else 0
            count, total, what = _counted(row, self._images)
            color = "red" if row is not None and row.permanent else "default"
            table.add_row(
                key,
                Text("●" * done + "○" * (STAGE_COUNT - done), style="green"),
                ProgressBar(total=total, completed=count, width=24),
                f"{count}/{total} {what}",
                Text(_sentence(row, counts=False), style=color),
            )
        table.caption = f"{self._seconds():.0f} s"
        table.caption_justify = "left"
        return table


def _counted(row: AvatarProgress | None, images: int) -> tuple[int, int, str]:
    """What is being counted now: how many there are, of how many, and of what."""
    if row is None or row.content in ("identity", "exam", "plan", "archived"):
        return (row.accepted if row is not None else 0), images, "dataset images"
    if row.content == "images":
        return row.images, row.planned, "images"
    if row.content == "copy":
        return row.words, row.planned, "captions"
    if row.content == "pieces":
        return row.pieces, row.planned, "pieces"
    return row.ready, max(row.planned, row.ready), "pieces"


def _sentence(row: AvatarProgress | None, *, counts: bool = True) -> str:
    if row is None:
        return "landed, waiting for the sensor"
    if row.error is not None and not row.complete:
        return f"{'failed' if row.permanent else 'will be tried again'}: {row.error}"
    sentence = _DOING.get(row.status, row.status)
    if row.complete:
        waiting = f", {row.pending} for a person to review" if row.pending else ""
        return f"{sentence}: {row.ready} pieces{waiting}"
    if counts and row.status in ("portrait", "images", "copy", "pieces"):
        # Steps of ten: a pipe is not a progress bar.
        count, _, what = _counted(row, 0)
        return f"{sentence} ({count // 10 * 10}+ {what})"
    return sentence


def show_summary(
    facts: DemoFacts, links: Mapping[str, str], seconds: float, *, complete: bool
) -> None:
    """The end of the demo, for a person."""
    console.line("")
    console.line(f"{'Complete' if complete else 'NOT complete'} after {seconds:.0f} s.")
    console.line("")
    console.print_table(
        ["avatar", "status", "dataset", "images made", "accepted", "pieces ready", "USD"],
        [
            (
                row.avatar,
                row.status,
                row.accepted,
                row.images_made,
                row.images,
                row.ready,
                _usd(facts.usd_by_avatar.get(row.avatar)),
            )
            for row in facts.progress
        ],
    )
    console.line("")
    console.print_table(
        ["stage", "avatars", "items", "seconds", "USD"],
        [
            (
                stage.name,
                stage.avatars,
                stage.items,
                "" if stage.seconds is None else f"{stage.seconds:.1f}",
                _usd(stage.usd),
            )
            for stage in facts.stages
        ],
    )
    console.line("")
    console.print_table(
        ["provider", "USD"],
        [(name, _usd(usd)) for name, usd in sorted(facts.usd_by_provider.items())],
    )
    failed = [row for row in facts.progress if row.error is not None and not row.complete]
    for row in failed:
        console.line("")
        console.line(f"{row.avatar}: {row.error}" + (f" {row.next_step}" if row.next_step else ""))
    console.line("")
    for name, url in links.items():
        console.line(f"{name:>10}  {url}")


def _usd(value: Decimal | None) -> str:
    return f"{value or Decimal(0):.4f}"
