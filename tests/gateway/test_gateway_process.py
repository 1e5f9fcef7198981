"""The gateway as a process: killed under load, without its database, watched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from gateway_kit import landed, new_secret, signed
from vixen_testkit import listening_socket, wait_until

from vixen_pipeline.db import embedded

ROOT = Path(__file__).resolve().parents[2]
SECRET = new_secret()
BODY = b'{"id":"t1","status":"succeeded"}'


class GatewayProcess:
    """`python -m vixen_pipeline.gateway` on a port of its own; started again on the same one."""

    def __init__(self, database_url: str, log: Path) -> None:
        with listening_socket() as sock:
            self.port = sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._database_url = database_url
        self.log = log

    def start(self) -> None:
        environment = {
            **os.environ,
            "VIXEN_DATABASE_URL": self._database_url,
            "VIXEN_REPLICATE_WEBHOOK_SECRETS": SECRET,
            "VIXEN_LOG_FORMAT": "json",
        }
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vixen_pipeline.gateway", "--port", str(self.port)],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
            )
        wait_until(self.lives, seconds=60)

    def lives(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> httpx.Response:
        with httpx.Client(trust_env=False, verify=False, timeout=20) as client:
            return client.get(self.url + path)

    def deliver(self, event_id: str) -> int | None:
        """The status, or None when there was no answer."""
        try:
            with httpx.Client(trust_env=False, verify=False, timeout=20) as client:
                headers = signed(BODY, SECRET, event_id=event_id)
                return client.post(
                    f"{self.url}/webhooks/replicate", content=BODY, headers=headers
                ).status_code
        except httpx.HTTPError:
            return None

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def gateway(database_url: str, tmp_path: Path) -> Generator[GatewayProcess]:
    process = GatewayProcess(database_url, tmp_path / "gateway.log")
    process.start()
    yield process
    process.kill()


@pytest.mark.long
def test_every_delivery_answered_2xx_is_stored_though_the_gateway_is_killed_under_load(
    gateway: GatewayProcess, database_url: str
):
    answered: set[str] = set()
    refused: list[int] = []
    stop = threading.Event()
    guard = threading.Lock()

    def deliver() -> None:
        while not stop.is_set():
            event_id = f"msg_{uuid.uuid4().hex}"
            status = gateway.deliver(event_id)
            with guard:
                if status == 200:
                    answered.add(event_id)
                elif status is not None:
                    refused.append(status)

    with ThreadPoolExecutor(6) as threads:
        workers = [threads.submit(deliver) for _ in range(6)]
        for wanted in (40, 80):
            wait_until(lambda wanted=wanted: len(answered) >= wanted, seconds=60)
            gateway.kill()
            gateway.start()
        wait_until(lambda: len(answered) >= 120, seconds=60)
        stop.set()
    for worker in workers:
        worker.result()
    stored = {event_id for _, event_id, _ in landed(database_url)}
    assert answered <= stored
    assert refused == []


def test_secrets_and_bodies_never_reach_the_log(gateway: GatewayProcess):
    assert gateway.deliver("msg_seen") == 200
    with httpx.Client(trust_env=False) as client:
        headers = {**signed(BODY, new_secret()), "authorization": "Bearer hidden-token-1234"}
        client.post(f"{gateway.url}/webhooks/replicate", content=BODY, headers=headers)
    wait_until(lambda: "webhook.refused" in gateway.log.read_text())
    text = gateway.log.read_text()
    for secret in (SECRET, "hidden-token", headers["webhook-signature"], "succeeded"):
        assert secret not in text
    records = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    [landed_record] = [record for record in records if record["event"] == "webhook.landed"]
    assert landed_record["event_id"] == "msg_seen"
    assert landed_record["bytes"] == len(BODY)


@pytest.mark.long
def test_without_its_database_it_asks_for_the_delivery_again_and_recovers(tmp_path: Path):
    folder = tmp_path / "own" / "postgres"
    url = embedded.ensure_running(folder)
    from vixen_pipeline.db import migrate

    migrate.upgrade(url)
    process = GatewayProcess(url, tmp_path / "gateway.log")
    process.start()
    try:
        assert process.deliver("msg_before") == 200
        pid = embedded.state(folder).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert process.deliver("msg_during") == 503
        down = process.get("/readyz")
        assert (down.status_code, down.json()["ready"]) == (503, False)
        assert process.get("/healthz").status_code == 200
        embedded.start(folder)
        wait_until(lambda: process.deliver("msg_after") == 200, seconds=60, every=0.2)
        assert process.get("/readyz").status_code == 200
        assert [event for _, event, _ in landed(url)] == ["msg_before", "msg_after"]
    finally:
        process.kill()
        embedded.stop(folder)


def test_a_restarted_database_costs_no_delivery(tmp_path: Path):
    folder = tmp_path / "own" / "postgres"
    url = embedded.ensure_running(folder)
    from vixen_pipeline.db import migrate

    migrate.upgrade(url)
    process = GatewayProcess(url, tmp_path / "gateway.log")
    process.start()
    try:
        assert process.deliver("msg_1") == 200
        embedded.stop(folder)
        embedded.start(folder)  # its pooled connections are dead now, and nobody told it
        assert process.deliver("msg_2") == 200
    finally:
        process.kill()
        embedded.stop(folder)


def test_readiness_tells_the_age_of_the_daemon_but_does_not_depend_on_it(
    gateway: GatewayProcess, database_url: str
):
    ready = gateway.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["daemon"] == "late"
    assert ready.json()["webhooks"] == {"replicate": "on"}
    _make_dagster_tables(database_url)
    document = wait_until(lambda: _daemon_ok(gateway), seconds=10, every=0.2)
    assert document["daemon_heartbeat_age_s"] < 60
    assert document["daemon_tick_age_s"] < 60
    text = gateway.get("/metrics").text
    assert "vixen_dagster_daemon_heartbeat_age_seconds" in text


def _daemon_ok(gateway: GatewayProcess) -> dict[str, float] | None:
    document = gateway.get("/readyz").json()
    return document if document["daemon"] == "ok" else None


def _make_dagster_tables(database_url: str) -> None:
    """What the daemon keeps up to date, as Dagster's own migrations make it."""
    from vixen_pipeline.db.siblings import dagster_url
    from vixen_pipeline.settings import load_settings

    url = dagster_url(load_settings(), database_url)
    embedded.create_database(database_url, url.partition("?")[0].rsplit("/", 1)[1])
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TABLE daemon_heartbeats (id bigserial, daemon_type text, body text)"
        )
        connection.execute(
            "CREATE TABLE job_ticks (id bigserial, update_timestamp timestamp DEFAULT now())"
        )
        connection.execute(
            """INSERT INTO daemon_heartbeats (daemon_type, body)
               SELECT 'SENSOR', json_build_object('timestamp', extract(epoch FROM now()))"""
        )
        connection.execute("INSERT INTO job_ticks DEFAULT VALUES")


def test_metrics_count_deliveries_by_outcome_and_time_them(gateway: GatewayProcess):
    gateway.deliver("msg_1")
    gateway.deliver("msg_1")
    gateway.get("/webhooks/scanner.php")
    text = gateway.get("/metrics").text
    assert 'vixen_webhooks_total{outcome="landed",provider="replicate"} 1.0' in text
    assert 'vixen_webhooks_total{outcome="duplicate",provider="replicate"} 1.0' in text
    assert (
        'vixen_http_request_duration_seconds_count{route="/webhooks/replicate",status="200"}'
        in text
    )
    assert 'route="other",status="404"' in text
    assert "scanner" not in text


def test_an_unusable_secret_ends_it_with_one_clear_error():
    result = subprocess.run(
        [sys.executable, "-m", "vixen_pipeline.gateway"],
        cwd=ROOT,
        env={**os.environ, "VIXEN_REPLICATE_WEBHOOK_SECRETS": "whsec_*", "VIXEN_DATABASE_URL": "x"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert "VIXEN_REPLICATE_WEBHOOK_SECRETS: key 1" in result.stderr
    assert "Traceback" not in result.stderr
