"""Landing webhooks: rate against a handler that only inserts a row, tail latency, and no loss."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
from standardwebhooks.webhooks import Webhook

from benchmarks.load import Load, closed_loop, open_loop, request_bytes
from benchmarks.report import Result
from vixen_pipeline.db import embedded, migrate

ROUND_REQUESTS = 2_000
ROUNDS = 3
CONNECTIONS = 16
STEADY_RATE = 300.0
STEADY_SECONDS = 10


def _deliveries(count: int, secret: str) -> list[bytes]:
    """Signed deliveries of the size of a real finished training, each with an id of its own."""
    webhook = Webhook(secret)
    now = datetime.now(UTC)
    requests: list[bytes] = []
    for _ in range(count):
        event_id = f"msg_{secrets.token_hex(12)}"
        training = {"id": event_id, "status": "succeeded", "logs": "step 1000/1000\n" * 100}
        body = json.dumps(training).encode()
        headers = {
            "content-type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": webhook.sign(event_id, now, body.decode()),
        }
        requests.append(request_bytes("/webhooks/replicate", body, headers))
    return requests


@contextmanager
def _server(folder: Path, url: str, secret: str) -> Generator[int]:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    port = int(sock.getsockname()[1])
    env = {
        **os.environ,
        "VIXEN_HOME": str(folder),
        "VIXEN_DATABASE_URL": url,
        "VIXEN_REPLICATE_WEBHOOK_SECRETS": secret,
        "VIXEN_LOG_FORMAT": "json",
        "BENCH_SOCKET_FD": str(sock.fileno()),
    }
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.landing_server"],
            env=env,
            pass_fds=[sock.fileno()],
            stdout=log,
            stderr=log,
        )
    sock.close()
    try:
        end = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((folder / "gateway.log").read_text()[-2000:])
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _landed(url: str) -> int:
    with psycopg.connect(url) as connection:
        statement = "SELECT count(*) FROM landing.webhook_events WHERE provider = 'replicate'"
        row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def _all_accepted(load: Load) -> None:
    if set(load.statuses) != {200}:
        raise RuntimeError(f"the gateway refused some deliveries: {load.statuses}")


def run() -> Sequence[Result]:
    """Alternate the two handlers so that the machine's noise falls on both, then a steady rate."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    with tempfile.TemporaryDirectory(prefix="vixen-bench-") as name:
        folder = Path(name)
        url = embedded.ensure_running(folder / "postgres")
        try:
            migrate.upgrade(url)
            with _server(folder, url, secret) as port:
                return _measure(port, url, secret)
        finally:
            embedded.stop(folder / "postgres")


def _measure(port: int, url: str, secret: str) -> list[Result]:
    body = b'{"id": "x", "status": "succeeded", "logs": "' + b"step 1000/1000 " * 100 + b'"}'
    plain = request_bytes("/baseline", body, {"content-type": "application/json"})
    closed_loop(port, [plain] * 500, CONNECTIONS)
    sent = 0
    ours: list[float] = []
    base: list[float] = []
    for _ in range(ROUNDS):
        base.append(closed_loop(port, [plain] * ROUND_REQUESTS, CONNECTIONS).rate)
        load = closed_loop(port, _deliveries(ROUND_REQUESTS, secret), CONNECTIONS)
        _all_accepted(load)
        sent += ROUND_REQUESTS
        ours.append(load.rate)
    count = int(STEADY_RATE * STEADY_SECONDS)
    steady = open_loop(port, _deliveries(count, secret), CONNECTIONS * 2, STEADY_RATE)
    _all_accepted(steady)
    sent += count
    lost = sent - _landed(url)
    return [
        Result(
            "landing",
            "signed webhooks against a handler that only inserts",
            max(ours),
            0.5 * max(base),
            "requests/s",
            at_least=True,
            basis=f"insert only {max(base):.0f}/s, best of {ROUNDS} alternating rounds",
        ),
        Result(
            "landing",
            f"p99 at {STEADY_RATE:.0f} requests/s",
            steady.percentile(0.99) * 1000,
            50.0,
            "ms",
            basis=f"open loop, {STEADY_SECONDS} s, p50 {steady.percentile(0.5) * 1000:.1f} ms",
        ),
        Result("landing", "answered 200 but not landed", lost, 0, "rows"),
    ]
