"""kill -9 of everything, at every step of System 1: the avatar still becomes ready, once."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest
from avatar_facts import add_example, assert_ready_exactly_once
from instance import Instance
from kill_windows import answer_withheld, before_commit, call_is_under_way, someone_waits
from vixen_testkit import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

MESSAGES = "POST /v1/messages"
PREDICTIONS = "POST /v1/predictions"
TRAININGS = "POST /v1/models/*/trainings"
RECOVERY_S = 45.0
"""Until another run is at work after a kill: about 8 s on two idle cores, and never a minute."""


def test_the_run_worker_is_killed_at_each_step(instance: Instance) -> None:
    def kill_in(window: AbstractContextManager[None], is_in, what: str) -> None:
        with window:
            is_in(instance, what)
            instance.kill_run_worker()
        wait_until(instance.run_workers, seconds=RECOVERY_S, every=0.1)

    with before_commit(instance, "vixen.avatars"):
        key = add_example(instance, "luna-rivers")
        someone_waits(instance, "vixen.avatars")
        instance.kill_run_worker()
    kill_in(answer_withheld(instance, "anthropic", MESSAGES), call_is_under_way, "persona")
    kill_in(
        answer_withheld(instance, "replicate", PREDICTIONS),
        call_is_under_way,
        "identity.portrait_image",
    )
    images = "vixen.generated_images"
    wait_until(lambda: instance.rows(f"SELECT 1 FROM {images}"), seconds=60, every=0.05)
    kill_in(before_commit(instance, images), someone_waits, images)
    kill_in(
        answer_withheld(instance, "replicate", TRAININGS), call_is_under_way, "identity.training"
    )
    weights = "vixen.lora_weights"
    kill_in(before_commit(instance, weights), someone_waits, weights)
    assert_ready_exactly_once(instance, key)


def test_postgres_gateway_and_daemon_are_killed_while_an_avatar_is_made(
    instance: Instance,
) -> None:
    instance.control.latency("replicate", 1.0)
    instance.control.training(seconds=5)
    key = add_example(instance, "amara-okafor")
    call_is_under_way(instance, "identity.dataset_image")
    instance.kill_postgres()
    wait_until(lambda: open_trainings(instance), seconds=120, every=0.1)
    instance.kill_child("vixen_pipeline.gateway")
    instance.kill_child("dagster._daemon")
    assert_ready_exactly_once(instance, key)


def test_the_supervisor_is_killed_while_an_avatar_is_made_and_started_again(
    instance: Instance,
) -> None:
    instance.control.latency("replicate", 1.0)
    instance.control.training(seconds=2)
    key = add_example(instance, "kenji-mori")
    call_is_under_way(instance, "identity.dataset_image")
    instance.kill_supervisor()
    instance.start("--no-ui")
    instance.control.latency("replicate", 0)
    assert_ready_exactly_once(instance, key)


def open_trainings(instance: Instance) -> list[dict[str, object]]:
    return instance.rows(
        "SELECT * FROM vixen.lora_trainings WHERE status IN ('submitted', 'processing')"
    )
