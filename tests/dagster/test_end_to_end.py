"""The whole ring for real: processes, PostgreSQL, the provider sandbox, the daemon.

Two avatars with small datasets; the sandbox in this process, everything else as users start it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from vixen_testkit import wait_until

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


def test_the_daemon_takes_landed_avatars_to_ready_by_itself(
    env: dict[str, str], avatars: list[str], instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    log = tmp_path / "daemon.log"
    with log.open("wb") as stream:
        daemon = subprocess.Popen(
            [Path(sys.executable).parent / "dagster-daemon", "run", "-w", ROOT / "workspace.yaml"],
            env=env,
            cwd=ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until(
                lambda: made(instance, "lora_weights") == set(avatars) or daemon.poll() is not None,
                seconds=200,
                every=1,
            )
        except TimeoutError:
            pytest.fail(log.read_text()[-6000:])
        finally:
            daemon.terminate()
            daemon.wait(timeout=60)
    assert made(instance, "lora_weights") == set(avatars), log.read_text()[-6000:]
    for stage in STAGES:
        assert made(instance, stage) == set(avatars)
    assert set(instance.get_dynamic_partitions("avatars")) == set(avatars)
    runs = instance.get_runs(dg.RunsFilter(job_name="identity_drain"))
    assert runs
    assert len(runs) <= 4  # drains, not a run per avatar and stage
