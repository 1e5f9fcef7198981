"""A whole instance in processes of its own, as `vixen up` runs it, with hands to hurt it.

Belongs here: starting, asking by SQL and by command, finding and killing processes. Does not:
assertions about behaviour.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
from guard_paths import ROOT
from psycopg.rows import dict_row
from vixen_testkit import wait_until

from vixen_pipeline.db import embedded
from vixen_pipeline.runtime.addresses import is_free
from vixen_pipeline.sandbox.testing import Control

PORTS = (20_000, 32_000)
"""Below the range from which the kernel takes the ports of outgoing connections."""
VIXEN = str(Path(sys.executable).parent / "vixen")
QUICK = {
    "VIXEN_DATASET_IMAGES": "6",
    "VIXEN_RECONCILE_GRACE_S": "6",
    "VIXEN_REPLICATE_TIMEOUT_S": "5",
    "VIXEN_TEXT_TIMEOUT_S": "5",
    "VIXEN_TRAINING_POLL_S": "8",
    "VIXEN_EXAM_IMAGES": "4",
    "VIXEN_CONTENT_PIECES": "5",
    "VIXEN_CONTENT_CAROUSELS": "10",  # per 50 stills
    "VIXEN_CONTENT_SLIDESHOWS": "10",
}


class Instance:
    """One running `vixen up`. `env` is the environment of every command about it."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self.home = home
        clean = {name: value for name, value in os.environ.items() if not name.startswith("VIXEN_")}
        self.env = {**clean, "VIXEN_HOME": str(home), **_addresses(), **settings}
        self.process: subprocess.Popen[bytes] | None = None

    # ---- life -----------------------------------------------------------------------------------

    def start(self, *options: str) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        log = (self.home / "up.out").open("ab")
        self.process = subprocess.Popen(
            [VIXEN, "up", *options], env=self.env, stdout=log, stderr=log, cwd=ROOT
        )
        log.close()
        wait_until(self._is_up, seconds=120)

    def _is_up(self) -> bool:
        assert self.process is not None
        said = (self.home / "up.out").read_text()
        if self.process.poll() is not None:
            raise RuntimeError(f"vixen up ended: {said[-3000:]}")
        return said.count("Everything is up") > self._starts_before

    _starts_before = 0

    def stop(self) -> int:
        """Stop without patience for runs in progress, as a second Ctrl-C does."""
        assert self.process is not None
        self._starts_before = self._starts()
        self.process.terminate()
        wait_until(lambda: not self._children("dagster._daemon"), seconds=30)
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=90)

    def kill_supervisor(self) -> None:
        """kill -9 of `vixen up` itself; `start` may follow."""
        assert self.process is not None
        self._starts_before = self._starts()
        self.process.kill()
        self.process.wait(timeout=30)

    def _starts(self) -> int:
        return (self.home / "up.out").read_text().count("Everything is up")

    # ---- asking ---------------------------------------------------------------------------------

    @property
    def runtime(self) -> dict[str, str]:
        return json.loads((self.home / "runtime.json").read_text())

    @property
    def control(self) -> Control:
        return Control(self.runtime["VIXEN_SANDBOX_URL"])

    def vixen(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [VIXEN, *arguments], env=self.env, capture_output=True, text=True, cwd=ROOT
        )
        if check and result.returncode != 0:
            raise RuntimeError(f"vixen {arguments}: {result.stdout[-2000:]}{result.stderr[-2000:]}")
        return result

    def database_url(self, database: str = "vixen") -> str:
        return embedded.url_for(self.home / "postgres", database)

    def rows(
        self, statement: str, *values: object, database: str = "vixen"
    ) -> list[dict[str, Any]]:
        with psycopg.connect(self.database_url(database), row_factory=dict_row) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def value(self, statement: str, *values: object, database: str = "vixen") -> Any:
        row = self.rows(statement, *values, database=database)[0]
        return next(iter(row.values()))

    def status(self, avatar: str) -> str | None:
        found = self.rows("SELECT status FROM report.avatars WHERE avatar = %s", avatar)
        return found[0]["status"] if found else None

    # ---- hurting --------------------------------------------------------------------------------

    def run_workers(self, job: str = "identity_drain") -> list[psutil.Process]:
        """Processes that execute runs of `job`, by the pids that Dagster noted at their start."""
        noted = self.rows(
            "SELECT e.event FROM event_logs e JOIN runs r USING (run_id)"
            " WHERE r.status IN ('STARTED', 'STARTING') AND r.pipeline_name = %s"
            " AND e.event LIKE %s",
            job,
            "%(pid: %",
            database="dagster",
        )
        pids = {int(pid) for row in noted for pid in re.findall(r"\(pid: (\d+)\)", row["event"])}
        mine = {child.pid: child for child in psutil.Process(self._pid()).children(recursive=True)}
        return [mine[pid] for pid in pids if pid in mine and _command(mine[pid])]

    def kill_run_worker(self, job: str = "identity_drain") -> int:
        """kill -9 of a process that executes a run of `job`; waits until there is one."""
        victim = wait_until(lambda: self.run_workers(job), seconds=60)[0]
        victim.send_signal(signal.SIGKILL)
        return victim.pid

    def kill_child(self, command_part: str) -> int:
        """kill -9 of the supervised process whose command line has this part."""
        child = self._children(command_part)[0]
        child.kill()
        return child.pid

    def _children(self, command_part: str) -> list[psutil.Process]:
        try:
            children = psutil.Process(self._pid()).children()
        except psutil.NoSuchProcess:
            return []
        return [child for child in children if command_part in " ".join(_command(child))]

    def kill_postgres(self) -> None:
        """kill -9 of the server; returns when another one answers."""
        pid = embedded.state(self.home / "postgres").pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self._answers() and self._postgres_pid() != pid, seconds=60)

    def _postgres_pid(self) -> int | None:
        return embedded.state(self.home / "postgres").pid

    def _answers(self) -> bool:
        try:
            return bool(self.rows("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def _pid(self) -> int:
        assert self.process is not None
        return self.process.pid


def _addresses() -> dict[str, str]:
    """Free ports at random: tests that start at the same time would all take the next free one."""
    ports: list[int] = []
    while len(ports) < 3:
        port = random.randint(*PORTS)
        if port not in ports and is_free("127.0.0.1", port):
            ports.append(port)
    names = ("VIXEN_GATEWAY_URL", "VIXEN_SANDBOX_URL", "VIXEN_DAGSTER_URL")
    return {name: f"http://127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)}


def _command(process: psutil.Process) -> list[str]:
    """Its command line; empty when it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:  # gone, or a zombie that nobody has reaped yet
        return []


@contextmanager
def running_instance(
    home: Path, settings: Mapping[str, str] | None = None, *options: str
) -> Generator[Instance]:
    """A fresh instance, stopped at the end with its database."""
    instance = Instance(home, {**QUICK, **(settings or {})})
    try:
        instance.start(*options)
        yield instance
    finally:
        if instance.process is not None and instance.process.poll() is None:
            instance.stop()
        embedded.stop(home / "postgres")
