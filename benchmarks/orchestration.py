"""How full the provider's slots are kept, and how flat memory stays, over 500 images of one run.

The sandbox serves pre-drawn images with one second of latency, so that its own work is not billed
to us; the limit is what the provider alone would take: images ÷ slots × latency.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.instance import order, run_seconds, sandbox_process, vixen, write_specs
from benchmarks.report import Result

AVATARS = 10
IMAGES = 50
SLOTS = 10
LATENCY_S = 1.0
TIME_LIMIT = 1.25
MEMORY_LIMIT_MB = 600.0


class PeakMemory:
    """The greatest resident size of the process that runs the job, read from outside."""

    def __init__(self, command_part: str) -> None:
        self._part = command_part
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.bytes = 0

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._ended.wait(0.2):
            for child in me.children(recursive=True):
                try:
                    if self._part in child.cmdline():
                        self.bytes = max(self.bytes, child.memory_info().rss)
                except psutil.Error:
                    continue


def run() -> Sequence[Result]:
    """Portraits first, at no latency; then all datasets in one run, measured."""
    with tempfile.TemporaryDirectory(prefix="vixen-bench-") as name:
        folder = Path(name)
        with sandbox_process(folder, replicate_concurrency=SLOTS, dataset_images=IMAGES) as env:
            # Before the portraits: in this mode everybody looks the same, portraits too.
            order(env, "predrawn", on=True)
            vixen(env, "avatar", "add", *map(str, write_specs(folder, AVATARS)))
            vixen(env, "materialize", "*reference_portraits", "--all")
            order(env, "latency", provider="replicate", seconds=LATENCY_S)
            with PeakMemory("assets.materialize") as peak:
                made = vixen(env, "materialize", "training_datasets", "--all", "--json")
            seconds = run_seconds(env, [run["run"] for run in json.loads(made)["runs"]])
    ideal = AVATARS * IMAGES / SLOTS * LATENCY_S
    return [
        Result(
            "orchestration",
            f"{AVATARS} avatars x {IMAGES} images, {SLOTS} at a time, {LATENCY_S:.0f} s each",
            seconds,
            TIME_LIMIT * ideal,
            "s",
            basis=f"provider-bound ideal {ideal:.0f} s, measured {seconds / ideal:.2f} x ideal",
        ),
        Result(
            "orchestration",
            f"peak memory of the run that made {AVATARS * IMAGES} images",
            peak.bytes / 1e6,
            MEMORY_LIMIT_MB,
            "MB",
        ),
    ]
