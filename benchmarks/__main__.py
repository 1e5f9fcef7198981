"""`python -m benchmarks [name …]`: run the named benchmarks, or all. Exit 1 when one is over."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks.report import Result, show

NAMES = (
    "imports",
    "landing",
    "orchestration",
    "content_images",
    "content_cost",
    "content_history",
    "demo",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(NAMES)}")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    results: list[Result] = []
    for name in arguments.names or NAMES:
        print(f"… {name}", file=sys.stderr, flush=True)
        results += importlib.import_module(f"benchmarks.{name}").run()
    return 0 if show(results, arguments.json) else 1


sys.exit(main())
