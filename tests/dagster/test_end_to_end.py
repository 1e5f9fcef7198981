"""The whole ring for real: processes, PostgreSQL, the provider sandbox, the daemon.

Two avatars with small datasets; the sandbox in this process, everything else as users start it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
from vixen_testkit import listening_socket, wait_until

from assets.catalog import SYSTEMS
from vixen_pipeline.db import embedded
from vixen_pipeline.db.siblings import dagster_storage_url, dagster_url
from vixen_pipeline.identity.spec_files import add_files
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
STAGES = [stage.name for stage in SYSTEMS[0].stages]
CONTENT = [stage.name for stage in SYSTEMS[1].stages]
PIECES = 4
EXAMPLES = sorted((ROOT / "examples" / "avatars").glob("*.yaml"))[:2]


@pytest.fixture
def env(settings: Settings, sandbox: Sandbox, postgres_url: str) -> Generator[dict[str, str]]:
    """The environment that `vixen up` would give to its processes, for this test's instance."""
    assert settings.database_url is not None
    database_url = settings.database_url.get_secret_value()
    sandbox.control.training(seconds=1)
    yield {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DAGSTER_HOME": str(ROOT),
        "VIXEN_HOME": str(settings.home),
        "VIXEN_DATABASE_URL": database_url,
        "VIXEN_DAGSTER_PG_URL": dagster_storage_url(dagster_url(settings, database_url)),
        "VIXEN_DAGSTER_DIR": str(settings.home / "dagster"),
        "VIXEN_SANDBOX_URL": sandbox.url,
        "VIXEN_SANDBOX_TOKEN": sandbox.token,
        "VIXEN_REPLICATE_WEBHOOK_SECRETS": sandbox.webhook_secret,
        "VIXEN_DATASET_IMAGES": "4",
        "VIXEN_TRAINING_POLL_S": "1",
        "VIXEN_EXAM_IMAGES": "4",
        "VIXEN_CONTENT_PIECES": str(PIECES),
    }


@pytest.fixture
def avatars(services: Services, env: dict[str, str]) -> list[str]:
    """Two landed avatars, as `vixen avatar add` lands them."""
    (services.settings.home / "dagster").mkdir(exist_ok=True)
    return [landed.key for landed in add_files(services, EXAMPLES)]


@pytest.fixture
def instance(
    env: dict[str, str], postgres_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Generator[dg.DagsterInstance]:
    """The instance of the root dagster.yaml, on PostgreSQL."""
    assert settings.database_url is not None
    name = dagster_url(settings, settings.database_url.get_secret_value())
    database = name.rsplit("/", 1)[1].split("?", 1)[0]
    embedded.create_database(postgres_url.replace("/template_vixen", "/postgres"), database)
    (settings.home / "dagster").mkdir(exist_ok=True)
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    with dg.DagsterInstance.get() as instance:
        yield instance


def vixen(env: dict[str, str], *arguments: str) -> tuple[int, Any, str]:
    """Exit code, JSON from standard output, standard error."""
    done = subprocess.run(
        [Path(sys.executable).parent / "vixen", *arguments, "--json"],
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None, done.stderr


def made(instance: dg.DagsterInstance, stage: str) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey(stage)))


def test_one_command_makes_two_avatars_ready(
    env: dict[str, str], avatars: list[str], instance: dg.DagsterInstance, sandbox: Sandbox
) -> None:
    code, answer, told = vixen(env, "materialize", "group:identity", "--all")
    assert code == 0, told
    assert answer["complete"]
    assert {(r["asset"], r["avatar"]) for r in answer["results"]} == {
        (stage, key) for stage in STAGES for key in avatars
    }
    for stage in STAGES:
        assert made(instance, stage) == set(avatars)
    for avatar in avatars:
        assert f"✓ {avatar}: lora_weights made." in told

    code, again, told = vixen(env, "materialize", "lora_weights", "--avatar", avatars[0])
    assert code == 0, told
    assert [r["outcome"] for r in again["results"]] == ["unchanged"]

    niche = avatars[0].partition(":")[0]
    code, answer, told = vixen(env, "materialize", "group:content", "--niche", niche)
    assert code == 0, (answer, told)
    assert [(r["asset"], r["avatar"], r["outcome"]) for r in answer["results"]] == [
        (stage, avatars[0], "made") for stage in CONTENT
    ]
    assert made(instance, "content_pieces") == {avatars[0]}
    code, shown, told = vixen(env, "avatar", "show", avatars[0])
    assert shown["content"]["pieces"]["ready"] >= PIECES, told


def test_unknown_avatars_and_selections_are_refused_before_anything_runs(
    env: dict[str, str], avatars: list[str]
) -> None:
    code, answer, told = vixen(env, "materialize", "personas", "--avatar", "fitness:nobody")
    assert code == 2
    assert "fitness:nobody" in told
    code, answer, told = vixen(env, "materialize", "persona", "--all")
    assert code == 2
    assert "Did you mean personas" in told
    assert answer["error"]["exit_code"] == 2


@contextmanager
def process(
    env: dict[str, str], log: Path, *command: str | Path
) -> Generator[subprocess.Popen[bytes]]:
    """A Dagster process of the instance, its output in `log`; stopped at the end."""
    with log.open("wb") as stream:
        running = subprocess.Popen(
            [Path(sys.executable).parent / command[0], *command[1:], "-w", ROOT / "workspace.yaml"],
            env=env,
            cwd=ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        yield running
    except BaseException:
        print(log.read_text()[-6000:])
        raise
    finally:
        running.terminate()
        running.wait(timeout=60)


def test_the_daemon_takes_landed_avatars_to_ready_and_runs_backfills(
    env: dict[str, str], avatars: list[str], instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    with process(env, tmp_path / "daemon.log", "dagster-daemon", "run") as daemon:
        wait_until(
            lambda: made(instance, "content_pieces") == set(avatars) or daemon.poll() is not None,
            seconds=280,
            every=1,
        )
        for stage in (*STAGES, *CONTENT):
            assert made(instance, stage) == set(avatars)
        assert set(instance.get_dynamic_partitions("avatars")) == set(avatars)
        # Drains, not a run per avatar and stage.
        for job in ("identity_drain", "content_drain"):
            assert 1 <= len(instance.get_runs(dg.RunsFilter(job_name=job))) <= 4

        sock = listening_socket()
        port = str(sock.getsockname()[1])
        sock.close()
        url = f"http://127.0.0.1:{port}"
        with process(env, tmp_path / "web.log", "dagster-webserver", "-h", "127.0.0.1", "-p", port):
            wait_until(lambda: answers(url), seconds=90, every=0.5)
            niche = avatars[0].partition(":")[0]
            code, answer, told = vixen(
                {**env, "VIXEN_DAGSTER_URL": url},
                *("backfill", "reference_portraits+", "--niche", niche, "--wait"),
            )
            assert code == 0, told
            assert answer["avatars"] == [key for key in avatars if key.startswith(f"{niche}:")]
            assert set(answer["assets"]) == {*STAGES[2:], *CONTENT}
            found = instance.get_backfill(answer["backfill"])
            assert found is not None
            assert found.title == f"reference_portraits+ of {niche}"
            assert found.tags["vixen/niche"] == niche
            (run,) = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": found.backfill_id}))
            assert run.is_success


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/server_info", timeout=5).is_success
    except httpx.TransportError:
        return False


def test_interrupting_the_command_ends_it_at_once_and_closes_the_run(
    env: dict[str, str], avatars: list[str], instance: dg.DagsterInstance, sandbox: Sandbox
) -> None:
    sandbox.control.latency("replicate", 30)
    command = [Path(sys.executable).parent / "vixen", "materialize", "*lora_weights", "--all"]
    running = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, start_new_session=True)
    try:
        wait_until(lambda: len(made(instance, "personas")) == 2, seconds=120, every=0.5)
        begun = time.monotonic()
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(timeout=60) == 130
        assert time.monotonic() - begun < 20
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    (run,) = instance.get_runs()
    assert run.is_finished
    assert not run.is_success
