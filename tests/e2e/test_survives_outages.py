"""What the world does to an avatar in the making: webhooks and stores that fail it."""

from __future__ import annotations

import json
import random
from collections.abc import Generator

import httpx
import pytest
from avatar_facts import add_example, add_sister, assert_ready_exactly_once, trainings_of
from gateway_kit import signed
from instance import Instance
from vixen_testkit import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def healthy_afterwards(instance: Instance) -> Generator[None]:
    yield
    instance.control.clear_faults()
    instance.control.webhooks("normal")


def landed(instance: Instance) -> int:
    return instance.value("SELECT count(*) FROM landing.webhook_events")


def test_a_training_whose_webhook_never_comes_is_completed_by_the_poll(
    instance: Instance,
) -> None:
    before = landed(instance)
    instance.control.webhooks("drop")
    key = add_example(instance, "noor-haddad")
    assert_ready_exactly_once(instance, key)
    assert landed(instance) == before


def test_a_webhook_delivered_five_times_and_out_of_order_has_one_effect(
    instance: Instance,
) -> None:
    before = landed(instance)
    instance.control.webhooks("duplicate", times=5)
    key = add_example(instance, "mateo-silva")
    assert_ready_exactly_once(instance, key)
    due = "SELECT count(*) FROM webhook_deliveries WHERE state = 'due'"
    wait_until(lambda: instance.value(due, database="vixen_sandbox") == 0, seconds=30)
    assert landed(instance) == before + 1
    weights = weights_of(instance, key)
    deliver_older_statements(instance, key)
    assert landed(instance) == before + 3
    pending = "SELECT count(*) FROM landing.webhook_events WHERE state <> 'handled'"
    wait_until(lambda: instance.value(pending) == 0, seconds=60, every=0.2)
    assert weights_of(instance, key) == weights
    assert_ready_exactly_once(instance, key)


def deliver_older_statements(instance: Instance, key: str) -> None:
    """Two statements from before the end of the training, five times each, in any order."""
    secret = instance.runtime["VIXEN_REPLICATE_WEBHOOK_SECRETS"]
    (training,) = trainings_of(instance, key)
    deliveries: list[tuple[bytes, dict[str, str]]] = []
    for status in ("starting", "processing"):
        older = {**training, "status": status, "output": None, "completed_at": None}
        body = json.dumps(older).encode()
        deliveries += [(body, signed(body, secret, event_id=f"msg_{status}"))] * 5
    random.Random(7).shuffle(deliveries)
    url = instance.runtime["VIXEN_GATEWAY_URL"] + "/webhooks/replicate"
    for body, headers in deliveries:
        assert httpx.post(url, content=body, headers=headers).is_success


def weights_of(instance: Instance, key: str) -> list[dict[str, object]]:
    return instance.rows(
        "SELECT w.*, t.status, t.billed_seconds, t.cost_usd FROM vixen.lora_weights w"
        " JOIN vixen.lora_trainings t ON t.id = w.training_id"
        " JOIN vixen.avatars a ON a.id = t.avatar_id WHERE a.key = %s",
        key,
    )


def test_a_store_that_is_down_then_full_is_said_at_the_avatar_which_then_becomes_ready(
    instance: Instance,
) -> None:
    instance.control.fault("s3", "error", status=503, count=None)
    key = add_sister(instance, "luna-rivers", "lena")
    wait_until(lambda: "object store" in shown_error(instance, key), seconds=60, every=0.5)
    instance.control.clear_faults()
    instance.control.fault("s3", "disk_full", count=None)
    wait_until(lambda: "no room" in shown_error(instance, key), seconds=60, every=0.5)
    instance.control.clear_faults()
    assert_ready_exactly_once(instance, key)
    assert shown_error(instance, key) == ""


def shown_error(instance: Instance, key: str) -> str:
    """The error that `vixen avatar show` states; empty when there is none."""
    shown = instance.vixen("avatar", "show", key, "--json", check=False)
    return str(json.loads(shown.stdout)["error"] or "") if shown.returncode == 0 else ""
