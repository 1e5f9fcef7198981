"""What a benchmark says. Belongs here: the result and how it is shown. Not: any measuring."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Result:
    """`value` against `limit`, both in `unit`; within when value <= limit (or >= if `at_least`)."""

    name: str
    what: str
    value: float
    limit: float
    unit: str
    at_least: bool = False
    basis: str = ""

    @property
    def ratio(self) -> float:
        if self.limit == 0:
            return 0.0 if self.value == 0 else math.inf
        return self.value / self.limit

    @property
    def within(self) -> bool:
        return self.ratio >= 1 if self.at_least else self.ratio <= 1


Benchmark = Callable[[], Sequence[Result]]


def show(results: Sequence[Result], target: Path | None = None) -> bool:
    """Print the table, write it as JSON to `target`; True when every result is within its limit."""
    table = Table(title="Benchmarks (each a ratio to a limit measured or stated in the same run)")
    for column in ("benchmark", "measured", "limit", "ratio", "basis"):
        table.add_column(column, justify="right" if column == "ratio" else "left")
    for result in results:
        sign = "≥" if result.at_least else "≤"
        table.add_row(
            f"{result.name}: {result.what}",
            f"{result.value:.4g} {result.unit}",
            f"{sign} {result.limit:.4g} {result.unit}",
            f"[{'green' if result.within else 'red'}]{result.ratio:.2f}[/]",
            result.basis,
        )
    Console(width=160).print(table)
    if target is not None:
        rows = [
            {**asdict(result), "ratio": result.ratio, "within": result.within} for result in results
        ]
        target.write_text(json.dumps(rows, indent=2) + "\n")
    return all(result.within for result in results)
