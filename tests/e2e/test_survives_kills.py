"""kill -9 of everything, at every step of System 1: the avatar still becomes ready, once."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from guard_paths import ROOT
from instance import Instance, running_instance
from vixen_testkit import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SPEC = ROOT / "examples" / "avatars" / "luna-rivers.yaml"
KEY = "fitness:luna"
IMAGES = 6


@pytest.fixture
def instance(tmp_path: Path) -> Generator[Instance]:
    with running_instance(tmp_path / "home", None, "--no-ui") as running:
        yield running


def open_effects(instance: Instance, kind: str) -> int:
    """Effects of this kind whose call is under way."""
    return instance.value(
        "SELECT count(*) FROM vixen.effects WHERE kind LIKE %s AND state = 'dispatched'", kind
    )


def assert_ready_exactly_once(instance: Instance) -> None:
    wait_until(lambda: instance.status(KEY) == "ready", seconds=240, every=0.5)
    state = instance.control.state()
    assert len(instance.control.trainings()) == 1, "a second training exists at the provider"
    selected = instance.rows(
        "SELECT slot, sha256 FROM vixen.generated_images WHERE purpose = 'dataset' AND selected"
    )
    assert len(selected) == IMAGES
    assert len({row["slot"] for row in selected}) == IMAGES
    assert len({row["sha256"] for row in selected}) == IMAGES
    # Every image that the provider made is ours: none was paid for and lost, none paid twice.
    made = sum(state["predictions"].values())
    kept = instance.value("SELECT count(*) FROM vixen.generated_images")
    assert made == kept
    paid = instance.value(
        "SELECT count(DISTINCT effect_id) FROM vixen.cost_entries c"
        " JOIN vixen.effects e ON e.id = c.effect_id WHERE e.kind LIKE '%%_image'"
    )
    assert paid == kept


STEPS = {
    "persona": ("anthropic", "identity.persona%", 3.0),
    "portrait": ("replicate", "identity.portrait_image", 2.5),
    "dataset": ("replicate", "identity.dataset_image", 2.5),
    "training": ("replicate", "identity.training", 2.5),
}


def test_the_run_worker_is_killed_at_each_step(instance: Instance) -> None:
    control = instance.control
    for provider in ("anthropic", "replicate"):
        control.latency(provider, 2.5)
    control.latency("replicate", 2.5, route="POST /v1/models/*/trainings")
    instance.vixen("avatar", "add", str(SPEC))
    for _, kind, _ in STEPS.values():
        wait_until(lambda kind=kind: open_effects(instance, kind) > 0, seconds=150, every=0.05)
        instance.kill_run_worker()
    for provider in ("anthropic", "replicate"):
        control.latency(provider, 0)
    control.latency("replicate", 0, route="POST /v1/models/*/trainings")
    assert_ready_exactly_once(instance)


def test_daemon_gateway_and_postgres_are_killed_while_an_avatar_is_made(
    instance: Instance,
) -> None:
    control = instance.control
    control.latency("replicate", 1.0)
    control.training(seconds=6)
    instance.vixen("avatar", "add", str(SPEC))
    wait_until(
        lambda: open_effects(instance, "identity.dataset_image") > 0, seconds=120, every=0.05
    )
    instance.kill_postgres()
    wait_until(lambda: (instance.home / "postgres" / "postmaster.pid").exists(), seconds=30)
    wait_until(lambda: instance.rows("SELECT 1 FROM vixen.lora_trainings"), seconds=180, every=0.1)
    instance.kill_child("vixen_pipeline.gateway")
    instance.kill_child("daemon")
    assert_ready_exactly_once(instance)


def test_a_training_whose_webhook_never_comes_is_completed_by_the_poll(
    instance: Instance,
) -> None:
    instance.control.webhooks("drop")
    instance.vixen("avatar", "add", str(SPEC))
    assert_ready_exactly_once(instance)
    assert instance.value("SELECT count(*) FROM landing.webhook_events") == 0
