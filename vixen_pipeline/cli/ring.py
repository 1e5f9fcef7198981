"""The Dagster ring, reached from commands as a process of its own.

Belongs here: starting a module of the ring with the right environment. Does not: importing any of
it: the core knows no Dagster, and a command that needs none does not pay seconds for importing it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


def environment(services: Services) -> dict[str, str]:
    """What a Dagster process of this instance needs to know, on top of this process's own."""
    from vixen_pipeline.runtime.environment import dagster_environment

    return {**os.environ, **dagster_environment(services)}


def run_module(module: str, argument: str, env: Mapping[str, str]) -> int:
    """Run `python -m module argument` on this terminal; returns its exit code.

    Ctrl-C reaches it too, so this process only waits for it to end in its own way.
    """
    process = _start(module, argument, env)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def ask_module(module: str, argument: str, env: Mapping[str, str]) -> str:
    """Run it quietly; returns what it printed, whatever its exit code."""
    with _start(module, argument, env, stdout=subprocess.PIPE) as process:
        output, _ = process.communicate()
    return output.decode()


def _start(
    module: str, argument: str, env: Mapping[str, str], stdout: int | None = None
) -> subprocess.Popen[bytes]:
    from vixen_pipeline.runtime.environment import python_path

    command = [sys.executable, "-m", module, argument]
    return subprocess.Popen(command, env={**env, "PYTHONPATH": python_path()}, stdout=stdout)
