"""The code location: complete, cheap to import, and told to operators in full."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from assets.catalog import SYSTEMS
from vixen_pipeline.definitions import build_definitions, defs

ROOT = Path(__file__).resolve().parents[2]

HEAVY = frozenset(
    """
    PIL alembic anthropic boto3 botocore fastapi httpx imagehash langgraph modal numpy openai
    pandas pgvector psycopg psycopg2 replicate rich safetensors scipy sqlalchemy
    standardwebhooks stripe structlog torch typer uvicorn
    """.split()  # noqa: SIM905 - one list of words reads best
)

PROBE = """
import json, sys, time
begun = time.perf_counter()
import dagster
dagster_seconds = time.perf_counter() - begun
before = set(sys.modules)
begun = time.perf_counter()
import vixen_pipeline.definitions
ours = time.perf_counter() - begun
modules = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
print(json.dumps({"ours": ours, "dagster": dagster_seconds, "modules": modules}))
"""


def probe() -> dict[str, object]:
    """Import the code location in a fresh process that has no setting and no database."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("VIXEN_")}
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=ROOT,
        env={**env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_definitions_are_valid() -> None:
    dg.Definitions.validate_loadable(defs)


def test_importing_the_code_location_loads_nothing_heavy_and_takes_half_a_second_at_most() -> None:
    found = probe()
    modules = found["modules"]
    assert isinstance(modules, list)
    assert sorted(HEAVY & set(modules)) == []
    # The machine may be busy just now: one calm try of three is enough.
    assert any(float(str(probe()["ours"])) <= 0.5 for _ in range(3)), found


def test_every_asset_says_what_it_is_who_owns_it_and_how_to_make_it() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.group_name in {"identity", "content", "operations"}, key
        assert node.owners, key
        assert node.kinds, key
        if node.is_materializable:
            assert {"by_hand", "report"} <= set(node.metadata), key


def test_the_identity_assets_form_the_chain_of_the_design() -> None:
    graph = defs.resolve_asset_graph()
    chain = [
        "avatars",
        "personas",
        "reference_portraits",
        "training_datasets",
        "lora_trainings",
        "lora_weights",
    ]
    assert [stage.name for stage in SYSTEMS[0].stages] == chain
    for name in chain:
        node = graph.get(dg.AssetKey(name))
        assert node.is_partitioned
        assert node.group_name == "identity"
    for upstream, downstream in itertools.pairwise(chain):
        parents = graph.get(dg.AssetKey(downstream)).parent_keys
        assert dg.AssetKey(upstream) in parents, (upstream, downstream)
    assert dg.AssetKey("avatar_specs") in graph.get(dg.AssetKey("avatars")).parent_keys


def test_every_stage_has_a_blocking_check_per_avatar() -> None:
    graph = defs.resolve_asset_graph()
    for stage in SYSTEMS[0].stages:
        keys = graph.get_check_keys_for_assets({dg.AssetKey(stage.name)})
        specs = [graph.get_check_spec(key) for key in keys]
        assert any(spec.blocking for spec in specs)
        assert all(spec.partitions_def is not None for spec in specs)


def test_sensors_and_schedules_run_by_default() -> None:
    repository = defs.get_repository_def()
    for sensor in repository.sensor_defs:
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING, sensor.name
    for schedule in repository.schedule_defs:
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING, schedule.name


def test_a_resource_can_be_replaced_without_a_global() -> None:
    fake = object()
    replaced = build_definitions({"vixen": fake})
    resources = replaced.get_repository_def().get_top_level_resources()
    assert resources["vixen"] is not None
    assert defs.resources is not None
    assert defs.resources["vixen"] is not fake


@pytest.mark.long
def test_dagster_itself_validates_the_workspace(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            Path(sys.executable).parent / "dagster",
            "definitions",
            "validate",
            "-w",
            "workspace.yaml",
        ],
        cwd=ROOT,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
