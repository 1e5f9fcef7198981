"""The newcomer's ten minutes: `vixen demo --exit`, installed, from nothing to trained weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import Result
from vixen_pipeline.db import embedded

LIMIT_SECONDS = 120.0
AVATARS = 3


def run() -> Sequence[Result]:
    """One demo in a folder of its own; the time is that of the whole command."""
    with tempfile.TemporaryDirectory(prefix="vixen-bench-") as name:
        folder = Path(name)
        out = folder / "out.json"
        command = [str(Path(sys.executable).parent / "vixen"), "demo", "--exit"]
        begun = time.perf_counter()
        try:
            subprocess.run(
                [*command, "--avatars", str(AVATARS), "--json", str(out)],
                env={**os.environ, "VIXEN_HOME": str(folder / "home")},
                check=True,
            )
        finally:
            embedded.stop(folder / "home" / "postgres")
        seconds = time.perf_counter() - begun
        document = json.loads(out.read_text())
    images = sum(avatar["images_accepted"] for avatar in document["avatars"])
    return [
        Result(
            "demo",
            f"{AVATARS} avatars from nothing to ready",
            seconds,
            LIMIT_SECONDS,
            "s",
            basis=f"{images} images accepted; starting and stopping included",
        )
    ]
