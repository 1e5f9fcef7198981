"""Webhooks of the sandbox: signed as the official SDK checks, retried, and lost when ordered."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from replicate.client import Client
from replicate.exceptions import ReplicateError
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret
from standardwebhooks import Webhook
from vixen_testkit import wait_until

from vixen_pipeline.sandbox.testing import Sandbox

Train = Callable[..., dict]


def start(receiver, train: Train, **changes: object) -> dict:
    return train(webhook=f"{receiver.url}/hook", **changes)


def posts(receiver, count: int) -> list[dict]:
    """The bodies that arrived, at least `count`, in order of arrival."""
    wait_until(lambda: len(receiver.posts) >= count, seconds=10)
    return [json.loads(body) for _, body in receiver.posts]


def test_every_event_of_a_training_is_delivered_signed(
    sandbox: Sandbox, client: Client, receiver, train: Train
) -> None:
    sandbox.control.training(seconds=0.3)
    job = start(receiver, train)
    bodies = posts(receiver, 4)
    assert [body["status"] for body in bodies] == ["processing"] * 2 + ["succeeded"] * 2
    assert {body["id"] for body in bodies} == {job["id"]}
    secret = client.webhooks.default.secret()
    assert secret.key == sandbox.webhook_secret
    assert secret.key.count("_") == 1
    for headers, body in receiver.posts:
        Webhooks.validate(headers=headers, body=body.decode(), secret=secret, tolerance=300)
        Webhook(secret.key).verify(body, headers)
        with pytest.raises(InvalidSignatureError):
            Webhooks.validate(headers=headers, body=body.decode() + " ", secret=secret)
    assert len({headers["webhook-id"] for headers, _ in receiver.posts}) == 4


def test_the_filter_keeps_only_the_events_that_were_asked_for(
    sandbox: Sandbox, receiver, train: Train
) -> None:
    sandbox.control.training(seconds=0)
    start(receiver, train, webhook_events_filter=["completed"])
    assert [body["status"] for body in posts(receiver, 1)] == ["succeeded"]
    wait_until(lambda: sandbox.control.state()["webhooks"] == {"delivered": 1})


def test_an_unknown_event_is_refused(client: Client) -> None:
    version = client.models.get("stability-ai/sdxl").latest_version.id
    with pytest.raises(ReplicateError, match="'finished' is not an event"):
        client.predictions.create(
            version, {}, webhook="http://127.0.0.1:9/x", webhook_events_filter=["finished"]
        )


def test_a_prediction_tells_its_end(sandbox: Sandbox, client: Client, receiver) -> None:
    version = client.models.get("stability-ai/sdxl").latest_version.id
    given = {"prompt": "woman, red hair", "width": 256, "height": 256}
    client.predictions.create(
        version, given, webhook=f"{receiver.url}/hook", webhook_events_filter=["completed"]
    )
    body = posts(receiver, 1)[0]
    assert body["status"] == "succeeded"
    assert body["output"][0].startswith(f"{sandbox.url}/replicate/delivery/")


def test_a_delivery_that_fails_is_tried_again_under_the_same_id(
    sandbox: Sandbox, receiver, train: Train
) -> None:
    sandbox.control.training(seconds=0)
    receiver.answers = [503]
    start(receiver, train, webhook_events_filter=["completed"])
    posts(receiver, 1)
    sandbox.control.advance(10)
    posts(receiver, 2)
    ids = {headers["webhook-id"] for headers, _ in receiver.posts}
    assert len(ids) == 1
    wait_until(lambda: sandbox.control.state()["webhooks"] == {"delivered": 1})


def test_after_a_few_tries_the_provider_gives_up(sandbox: Sandbox, receiver, train: Train) -> None:
    sandbox.control.training(seconds=0)
    receiver.answers = [500] * 20
    start(receiver, train, webhook_events_filter=["completed"])

    def given_up() -> bool:
        sandbox.control.advance(5)
        return sandbox.control.state()["webhooks"] == {"given_up": 1}

    wait_until(given_up, seconds=10, every=0.1)
    assert len(receiver.posts) == 4


def test_redirects_are_not_followed(sandbox: Sandbox, receiver, train: Train) -> None:
    sandbox.control.training(seconds=0)
    receiver.answers = [302]
    start(receiver, train, webhook_events_filter=["completed"])
    posts(receiver, 1)
    assert wait_until(lambda: sandbox.control.state()["webhooks"]) == {"due": 1}


def test_dropped_webhooks_never_come(
    sandbox: Sandbox, client: Client, receiver, train: Train
) -> None:
    sandbox.control.training(seconds=0)
    sandbox.control.webhooks("drop")
    job = start(receiver, train)
    wait_until(lambda: client.trainings.get(job["id"]).status == "succeeded")
    wait_until(lambda: sandbox.control.state()["webhooks"] == {"dropped": 4})
    assert receiver.posts == []


def test_duplicated_webhooks_come_with_one_id(sandbox: Sandbox, receiver, train: Train) -> None:
    sandbox.control.training(seconds=0)
    sandbox.control.webhooks("duplicate", times=5)
    start(receiver, train, webhook_events_filter=["completed"])
    posts(receiver, 5)
    assert len({headers["webhook-id"] for headers, _ in receiver.posts}) == 1
    assert len({body for _, body in receiver.posts}) == 1


def test_reordered_webhooks_tell_the_end_before_the_start(
    sandbox: Sandbox, receiver, train: Train
) -> None:
    sandbox.control.training(seconds=0)
    sandbox.control.webhooks("reorder", times=2, seconds=0.4)
    start(receiver, train, webhook_events_filter=["start", "completed"])
    assert [body["status"] for body in posts(receiver, 4)] == ["succeeded"] * 2 + ["processing"] * 2


def test_delayed_webhooks_come_when_their_time_has(
    sandbox: Sandbox, receiver, train: Train
) -> None:
    sandbox.control.training(seconds=0)
    sandbox.control.webhooks("delay", seconds=1000)
    start(receiver, train, webhook_events_filter=["completed"])
    wait_until(lambda: sandbox.control.state()["webhooks"] == {"due": 1})
    assert receiver.posts == []
    sandbox.control.advance(1001)
    posts(receiver, 1)
    stamp = int(receiver.posts[0][0]["webhook-timestamp"])
    assert abs(stamp - time.time()) < 60, "stamped with real time, whatever sandbox time is"


def test_the_secret_is_a_standard_one(client: Client) -> None:
    secret = client.webhooks.default.secret()
    assert isinstance(secret, WebhookSigningSecret)
    assert Webhook(secret.key)
