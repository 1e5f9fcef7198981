"""The sandbox's own frame: faults around calls, time, orders and jobs that outlive the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from replicate.client import Client
from replicate.exceptions import ReplicateError
from sandbox_kit import dataset_zip
from vixen_testkit import listening_socket, wait_until

from vixen_pipeline.sandbox.testing import Control, Sandbox, sandbox_server

Train = Callable[..., dict]
CREATE = "POST */trainings"


def test_a_wrong_token_is_refused_as_the_provider_refuses(sandbox: Sandbox) -> None:
    client = Client(api_token="nobody", base_url=sandbox.replicate_url)
    with pytest.raises(ReplicateError) as caught:
        client.models.get("stability-ai/sdxl")
    assert (caught.value.status, caught.value.title) == (401, "Unauthenticated")


def test_the_catalogue_account_and_hardware_are_read_by_the_sdk(client: Client) -> None:
    model = client.models.get("zsxkib/instant-id")
    schema = model.latest_version.openapi_schema["components"]["schemas"]
    assert "image" in schema["Input"]["required"]
    assert model.versions.list().results[0].id == model.latest_version.id
    assert [found.id for found in client.models.search("instant").results] == [model.id]
    assert "gpu-h100" in {hardware.sku for hardware in client.hardware.list()}
    assert client.accounts.current().username == "vixen"
    with pytest.raises(ReplicateError, match="404"):
        client.models.get("nobody/nothing")


def test_a_model_is_made_once(client: Client) -> None:
    made = client.models.create("vixen", "luna", visibility="private", hardware="gpu-l40s")
    assert (made.id, made.latest_version) == ("vixen/luna", None)
    assert client.models.get("vixen/luna").visibility == "private"
    with pytest.raises(ReplicateError, match="already exists") as caught:
        client.models.create("vixen", "luna", visibility="private", hardware="gpu-l40s")
    assert caught.value.status == 409
    with pytest.raises(ReplicateError, match="not available"):
        client.models.create("vixen", "nova", visibility="private", hardware="gpu-unheard-of")
    assert client.models.delete("vixen/luna")


def test_throttling_is_prose_with_seconds(sandbox: Sandbox, client: Client) -> None:
    version = client.models.get("stability-ai/sdxl").latest_version.id
    sandbox.control.fault("replicate", "rate_limit", route="POST *", seconds=7)
    with pytest.raises(ReplicateError) as caught:
        client.predictions.create(version, {"prompt": "x", "width": 256, "height": 256})
    assert (caught.value.status, caught.value.title) == (429, None)
    assert caught.value.detail == "Request was throttled. Expected available in 7 seconds."
    assert sandbox.control.state()["predictions"] == {}


@pytest.mark.parametrize(("phase", "made"), [("before", 0), ("after", 1)])
def test_an_error_comes_before_or_after_the_effect(
    sandbox: Sandbox, client: Client, train: Train, phase: str, made: int
) -> None:
    sandbox.control.training(seconds=1000)
    sandbox.control.fault("replicate", "error", route=CREATE, phase=phase, status=502)
    with pytest.raises(AssertionError, match="internal error"):
        train()
    assert sum(sandbox.control.state()["trainings"].values()) == made
    assert len(sandbox.control.trainings()) == made


@pytest.mark.parametrize(("phase", "made"), [("before", 0), ("after", 1)])
def test_a_dropped_reply_closes_the_connection_before_or_after_the_effect(
    sandbox: Sandbox, client: Client, train: Train, phase: str, made: int
) -> None:
    sandbox.control.training(seconds=1000)
    sandbox.control.fault("replicate", "drop_reply", route=CREATE, phase=phase)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        train()
    assert sum(sandbox.control.state()["trainings"].values()) == made
    train()
    assert sum(sandbox.control.state()["trainings"].values()) == made + 1


def test_a_stall_keeps_the_client_waiting_and_the_effect_happens(
    sandbox: Sandbox, client: Client, train: Train
) -> None:
    sandbox.control.training(seconds=1000)
    sandbox.control.fault("replicate", "stall", route=CREATE, phase="after", seconds=30)
    client._client.timeout = httpx.Timeout(0.5)
    with pytest.raises(httpx.ReadTimeout):
        train()
    assert sum(sandbox.control.state()["trainings"].values()) == 1


def test_latency_of_a_route_delays_it(sandbox: Sandbox, client: Client) -> None:
    sandbox.control.latency("replicate", 0.3, route="GET /v1/hardware")
    begun = time.monotonic()
    client.hardware.list()
    assert time.monotonic() - begun >= 0.3


def test_faults_strike_as_often_as_ordered_and_are_cleared(
    sandbox: Sandbox, client: Client
) -> None:
    sandbox.control.fault("replicate", "error", count=2)
    for _ in range(2):
        with pytest.raises(ReplicateError):
            client.hardware.list()
    assert client.hardware.list()
    sandbox.control.fault("replicate", "error", count=None)
    sandbox.control.clear_faults()
    assert client.hardware.list()


def test_calls_are_counted_by_route(sandbox: Sandbox, client: Client, train: Train) -> None:
    sandbox.control.training(seconds=1000)
    job = train()
    client.trainings.get(job["id"])
    client.trainings.get(job["id"])
    calls = sandbox.control.state()["calls"]
    assert calls["replicate GET /v1/trainings/{job_id}"] == 2
    path = "/v1/models/{owner}/{name}/versions/{version}/trainings"
    assert calls[f"replicate POST {path}"] == 1


def test_a_wrong_order_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        sandbox.control.training(outcome="exploded")


def test_a_reset_forgets_everything(sandbox: Sandbox, client: Client, train: Train) -> None:
    sandbox.control.training(seconds=1000)
    sandbox.control.advance(50)
    train()
    sandbox.control.reset()
    state = sandbox.control.state()
    assert (state["trainings"], state["predictions"], state["webhooks"]) == ({}, {}, {})
    with pytest.raises(ReplicateError, match="404"):
        client.models.get("vixen/luna")


def test_a_sandbox_that_was_stopped_comes_back_with_trainings_orders_and_time(
    sandbox: Sandbox, client: Client, train: Train, tmp_path: Path
) -> None:
    sandbox.control.training(seconds=1000, weights="truncated")
    sandbox.control.advance(100)
    job = train()
    with sandbox_server(sandbox.database_url, tmp_path / "objects") as again:
        shown = again.control.trainings()
        assert [training["id"] for training in shown] == [job["id"]]
        again.control.advance(1000)
        wait_until(lambda: again.control.trainings()[0]["status"] == "succeeded", seconds=5)
        assert again.control.state()["trainings"] == {"succeeded": 1}


def test_many_calls_at_once_are_all_served(sandbox: Sandbox, client: Client, train: Train) -> None:
    sandbox.control.training(seconds=1000)
    train()
    failures: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(10):
                train()
        except (httpx.HTTPError, AssertionError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(sandbox.control.state()["trainings"].values()) == 161


def launch(database_url: str, home: Path, port: int) -> subprocess.Popen[bytes]:
    env = {
        **os.environ,
        "VIXEN_HOME": str(home),
        "VIXEN_DATABASE_URL": database_url,
        "VIXEN_SANDBOX_TOKEN": "secret-token",
    }
    command = [sys.executable, "-m", "vixen_pipeline.sandbox", "--port", str(port)]
    return subprocess.Popen(command, env=env)


def test_a_process_that_was_killed_keeps_its_trainings_and_finishes_them(
    database_url: str, receiver, tmp_path: Path
) -> None:
    receiver.files["/set.zip"] = dataset_zip()
    with listening_socket() as sock:
        port = sock.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = launch(database_url, tmp_path, port)
    try:
        wait_until(lambda: alive(url), seconds=20)
        control = Control(url)
        control.training(seconds=2)
        client = Client(api_token="secret-token", base_url=f"{url}/replicate")
        secret = client.webhooks.default.secret().key
        client.models.create("vixen", "luna", visibility="private", hardware="gpu-l40s")
        version = client.models.get("stability-ai/sdxl").latest_version.id
        training = client.trainings.create(
            version=f"stability-ai/sdxl:{version}",
            input={"input_images": f"{receiver.url}/set.zip"},
            destination="vixen/luna",
            webhook=f"{receiver.url}/hook",
            webhook_events_filter=["completed"],
        )
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process = launch(database_url, tmp_path, port)
        wait_until(lambda: alive(url), seconds=20)
        wait_until(lambda: client.trainings.get(training.id).status == "succeeded", seconds=10)
        wait_until(lambda: len(receiver.posts) == 1, seconds=10)
        assert client.webhooks.default.secret().key == secret
        assert control.state()["trainings"] == {"succeeded": 1}
    finally:
        process.terminate()
        process.wait()
        with psycopg.connect(database_url, autocommit=True) as connection:
            name = f"{connection.info.dbname}_sandbox"
            statement = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(statement)


def alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False
