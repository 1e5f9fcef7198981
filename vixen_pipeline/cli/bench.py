"""`vixen bench`: run the benchmarks of this checkout.

Belongs here: finding and starting them. Does not: measuring; see the folder `benchmarks`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from vixen_pipeline.errors import NotFound

ROOT = Path(__file__).resolve().parents[2]


def register(app: typer.Typer) -> None:
    """Add `bench`."""
    app.command()(bench)


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Which; all when left out.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the results to this file.")
    ] = None,
) -> None:
    """Run benchmarks: ratios to limits measured in the same run. Exit 1 when one is over."""
    if not (ROOT / "benchmarks" / "__main__.py").exists():
        raise NotFound(
            "the benchmarks are not part of an installed wheel.", next_step="Use a checkout."
        )
    command = [sys.executable, "-m", "benchmarks", *(names or [])]
    if json_file is not None:
        command += ["--json", str(json_file.resolve())]
    raise typer.Exit(subprocess.run(command, cwd=ROOT, check=False).returncode)
