"""kill -9 of everything, at every step of System 1: the avatar still becomes ready, once."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

import pytest
from avatar_facts import add_example, assert_ready_exactly_once, trainings_of
from instance import Instance
from kill_windows import answer_withheld, before_commit, call_is_under_way, someone_waits
from vixen_testkit import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

MESSAGES = "POST /v1/messages"
PREDICTIONS = "POST /v1/predictions"
TRAININGS = "POST /v1/models/*/trainings"


def test_the_run_worker_is_killed_at_each_step(instance: Instance) -> None:
    def kill_in(window: AbstractContextManager[None], is_in, what: str) -> None:
        with window:
            is_in(instance, what)
            instance.kill_run_worker()

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
    killed_at = time.monotonic()
    assert_ready_exactly_once(instance, key)
    assert time.monotonic() - killed_at < 60


def test_postgres_gateway_daemon_and_supervisor_are_killed_while_an_avatar_is_made(
    instance: Instance,
) -> None:
    instance.control.latency("replicate", 1.0)
    instance.control.training(seconds=5)
    key = add_example(instance, "amara-okafor")
    call_is_under_way(instance, "identity.dataset_image")
    instance.kill_postgres()
    trained = "SELECT 1 FROM vixen.lora_trainings t JOIN vixen.avatars a ON a.id = t.avatar_id WHERE a.key = %s"
    wait_until(lambda: instance.rows(trained, key), seconds=120, every=0.1)
    instance.kill_child("vixen_pipeline.gateway")
    instance.kill_child("dagster._daemon")
    instance.kill_supervisor()
    instance.start("--no-ui")
    instance.control.latency("replicate", 0)
    instance.control.training(seconds=2)
    assert_ready_exactly_once(instance, key)


def test_a_training_whose_webhook_never_comes_is_completed_by_the_poll(
    instance: Instance,
) -> None:
    before = instance.value("SELECT count(*) FROM landing.webhook_events")
    instance.control.webhooks("drop")
    key = add_example(instance, "kenji-mori")
    assert_ready_exactly_once(instance, key)
    assert instance.value("SELECT count(*) FROM landing.webhook_events") == before
    instance.control.webhooks("normal")


def test_a_webhook_delivered_five_times_and_out_of_order_has_one_effect(
    instance: Instance,
) -> None:
    before = instance.value("SELECT count(*) FROM landing.webhook_events")
    instance.control.webhooks("reorder", times=5, seconds=1.0)
    key = add_example(instance, "mateo-silva")
    assert_ready_exactly_once(instance, key)
    delivered = "SELECT count(*) FROM webhook_deliveries WHERE state = 'due'"
    wait_until(lambda: instance.value(delivered, database="vixen_sandbox") == 0, seconds=30)
    assert instance.value("SELECT count(*) FROM landing.webhook_events") == before + 1
    instance.control.webhooks("normal")


def test_a_store_that_is_down_then_full_is_said_at_the_avatar_which_then_becomes_ready(
    instance: Instance,
) -> None:
    instance.control.fault("s3", "error", status=503, count=None)
    key = add_example(instance, "noor-haddad")
    wait_until(lambda: "object store" in shown_error(instance, key), seconds=60, every=0.5)
    instance.control.clear_faults()
    instance.control.fault("s3", "disk_full", count=None)
    wait_until(lambda: "no room" in shown_error(instance, key), seconds=60, every=0.5)
    instance.control.clear_faults()
    assert_ready_exactly_once(instance, key)
    assert shown_error(instance, key) == ""


def shown_error(instance: Instance, key: str) -> str:
    """The error that `vixen avatar show` states; empty when there is none."""
    import json

    shown = instance.vixen("avatar", "show", key, "--json", check=False)
    return str(json.loads(shown.stdout).get("error") or "") if shown.returncode == 0 else ""
