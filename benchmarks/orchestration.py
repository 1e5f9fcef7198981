"""How full the provider's slots are kept, and how flat memory stays, over 500 images of one run.

The sandbox serves pre-drawn images with one second of latency, so that its own work is not billed
to us; the limit is what the provider alone would take: images ÷ slots × latency.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg
import yaml

from benchmarks.report import Result
from vixen_pipeline.db import embedded

AVATARS = 10
IMAGES = 50
SLOTS = 10
LATENCY_S = 1.0
TIME_LIMIT = 1.25
MEMORY_LIMIT_MB = 600.0
ROOT = Path(__file__).resolve().parents[1]
VIXEN = str(Path(sys.executable).parent / "vixen")
HAIR = ("copper", "black", "blonde", "brown", "auburn", "silver", "red", "chestnut")
EYES = ("green", "brown", "blue", "hazel", "grey")


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


def _specs(folder: Path) -> list[Path]:
    example = yaml.safe_load((ROOT / "examples" / "avatars" / "luna-rivers.yaml").read_text())
    paths: list[Path] = []
    for number, (hair, eyes) in enumerate(itertools.product(HAIR, EYES)):
        if number == AVATARS:
            break
        spec = {**example, "handle": f"bench{number}", "name": f"Bench Number{number}"}
        spec["disclosure"] = "A virtual creator. Pictures and messages are made with AI."
        spec["appearance"] = {**example["appearance"], "hair_color": hair, "eye_color": eyes}
        path = folder / f"bench{number}.yaml"
        path.write_text(yaml.safe_dump(spec))
        paths.append(path)
    return paths


@contextmanager
def _sandbox(folder: Path) -> Generator[dict[str, str]]:
    """The sandbox as a process; yields the environment of this instance."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    env = {
        **os.environ,
        "VIXEN_HOME": str(folder / "home"),
        "VIXEN_SANDBOX_URL": f"http://127.0.0.1:{port}",
        "VIXEN_SANDBOX_TOKEN": "vx" + secrets.token_hex(20),
        "VIXEN_REPLICATE_CONCURRENCY": str(SLOTS),
        "VIXEN_DATASET_IMAGES": str(IMAGES),
    }
    with (folder / "sandbox.log").open("wb") as log:
        command = [sys.executable, "-m", "vixen_pipeline.sandbox", "--port", str(port)]
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{env['VIXEN_SANDBOX_URL']}/_control/state", timeout=5)
                break
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((folder / "sandbox.log").read_text()[-2000:]) from None
                time.sleep(0.1)
        yield env
    finally:
        process.terminate()
        process.wait(timeout=30)


def _vixen(env: dict[str, str], *arguments: str) -> str:
    result = subprocess.run([VIXEN, *arguments], env=env, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"vixen {arguments[0]}: {result.stdout[-3000:]}{result.stderr[-3000:]}")
    return result.stdout


def _run_seconds(env: dict[str, str], run_ids: Sequence[str]) -> float:
    """From the start of the first run to the end of the last, as Dagster recorded them."""
    url = embedded.ensure_running(Path(env["VIXEN_HOME"]) / "postgres", "dagster")
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT max(end_time) - min(start_time) FROM runs WHERE run_id = ANY(%s)",
            [list(run_ids)],
        ).fetchone()
    assert row is not None and row[0] is not None
    return float(row[0])


def run() -> Sequence[Result]:
    """Portraits first, at no latency; then all datasets in one run, measured."""
    with tempfile.TemporaryDirectory(prefix="vixen-bench-") as name:
        folder = Path(name)
        try:
            with _sandbox(folder) as env:
                control = f"{env['VIXEN_SANDBOX_URL']}/_control"
                # Before the portraits: in this mode everybody looks the same, portraits too.
                httpx.post(f"{control}/predrawn", json={"on": True}, timeout=300).raise_for_status()
                _vixen(env, "avatar", "add", *map(str, _specs(folder)))
                _vixen(env, "materialize", "*reference_portraits", "--all")
                order = {"provider": "replicate", "seconds": LATENCY_S}
                httpx.post(f"{control}/latency", json=order).raise_for_status()
                with PeakMemory("assets.materialize") as peak:
                    made = _vixen(env, "materialize", "training_datasets", "--all", "--json")
                seconds = _run_seconds(env, [run["run"] for run in json.loads(made)["runs"]])
        finally:
            embedded.stop(folder / "home" / "postgres")
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
