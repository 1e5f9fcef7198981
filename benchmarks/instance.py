"""An instance to measure: a folder, the sandbox as a process, avatars, the `vixen` command.

Belongs here: plumbing of the benchmarks. Does not: measuring.
"""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import yaml

from vixen_pipeline.db import embedded

ROOT = Path(__file__).resolve().parents[1]
VIXEN = str(Path(sys.executable).parent / "vixen")
HAIR = ("copper", "black", "blonde", "brown", "auburn", "silver", "red", "chestnut")
EYES = ("green", "brown", "blue", "hazel", "grey")


def write_specs(folder: Path, count: int) -> list[Path]:
    """Spec files of `count` (at most 40) avatars of one niche that look different."""
    example = yaml.safe_load((ROOT / "examples" / "avatars" / "luna-rivers.yaml").read_text())
    paths: list[Path] = []
    looks = itertools.islice(itertools.product(HAIR, EYES), count)
    for number, (hair, eyes) in enumerate(looks):
        spec = {**example, "handle": f"bench{number}", "name": f"Bench Number{number}"}
        spec["disclosure"] = "A virtual creator. Pictures and messages are made with AI."
        spec["appearance"] = {**example["appearance"], "hair_color": hair, "eye_color": eyes}
        path = folder / f"bench{number}.yaml"
        path.write_text(yaml.safe_dump(spec))
        paths.append(path)
    return paths


@contextmanager
def sandbox_process(folder: Path, **settings: object) -> Generator[dict[str, str]]:
    """The sandbox as a process; yields the environment of this instance, `settings` included.

    At the end the sandbox and the instance's database are stopped.
    """
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    env = {
        **os.environ,
        "VIXEN_HOME": str(folder / "home"),
        "VIXEN_SANDBOX_URL": f"http://127.0.0.1:{port}",
        "VIXEN_SANDBOX_TOKEN": "vx" + secrets.token_hex(20),
        **{f"VIXEN_{name.upper()}": str(value) for name, value in settings.items()},
    }
    try:
        with (folder / "sandbox.log").open("wb") as log:
            command = [sys.executable, "-m", "vixen_pipeline.sandbox", "--port", str(port)]
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            _until_it_answers(env, process, folder / "sandbox.log")
            yield env
        finally:
            process.terminate()
            process.wait(timeout=30)
    finally:
        embedded.stop(folder / "home" / "postgres")


def _until_it_answers(env: dict[str, str], process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"{env['VIXEN_SANDBOX_URL']}/_control/state", timeout=5)
            return
        except httpx.TransportError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(log.read_text()[-2000:]) from None
            time.sleep(0.1)


def order(env: dict[str, str], what: str, **body: object) -> None:
    """Give the sandbox an order: predrawn, latency, faults, training; `clear` ends all faults."""
    url = f"{env['VIXEN_SANDBOX_URL']}/_control/{what}"
    reply = httpx.post(url, json=body, timeout=600) if body else httpx.delete(url, timeout=60)
    reply.raise_for_status()


def vixen(env: dict[str, str], *arguments: str, incomplete: bool = False) -> str:
    """Run the command and return what it printed. Raises RuntimeError with its words.

    With `incomplete`, some avatars may have failed (exit code 1).
    """
    result = subprocess.run([VIXEN, *arguments], env=env, capture_output=True, text=True)
    if result.returncode not in ((0, 1) if incomplete else (0,)):
        raise RuntimeError(f"vixen {arguments[0]}: {result.stdout[-3000:]}{result.stderr[-3000:]}")
    return result.stdout


def database_url(env: dict[str, str], name: str = "vixen") -> str:
    return embedded.ensure_running(Path(env["VIXEN_HOME"]) / "postgres", name)


def run_seconds(env: dict[str, str], run_ids: Sequence[str]) -> float:
    """From the start of the first run to the end of the last, as Dagster recorded them."""
    with psycopg.connect(database_url(env, "dagster")) as connection:
        row = connection.execute(
            "SELECT max(end_time) - min(start_time) FROM runs WHERE run_id = ANY(%s)",
            [list(run_ids)],
        ).fetchone()
    assert row is not None and row[0] is not None
    return float(row[0])
