"""What importing the code location costs beyond `import dagster`: every launched run pays it."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.report import Result

ROUNDS = 7
LIMIT_SECONDS = 0.5


def _seconds(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def run() -> Sequence[Result]:
    """Alternate the two imports so that noise of the machine falls on both; compare medians."""
    ours, base = [], []
    for _ in range(ROUNDS):
        base.append(_seconds("import dagster"))
        ours.append(_seconds("import dagster, vixen_pipeline.definitions"))
    dagster, both = statistics.median(base), statistics.median(ours)
    return [
        Result(
            "imports",
            "code location beyond `import dagster`",
            both - dagster,
            LIMIT_SECONDS,
            "s",
            basis=f"import dagster {dagster:.2f} s, with ours {both:.2f} s, medians of {ROUNDS}",
        )
    ]
