"""Trainings against the real sandbox: signed webhooks through the real gateway, real weights."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from vixen_identity import add_avatars, give_dataset
from vixen_testkit import listening_socket, serve, wait_until

from vixen_pipeline.gateway.__main__ import gateway_from
from vixen_pipeline.identity.status import avatar_status
from vixen_pipeline.identity.trainings import apply_events, cancel, poll_due, run_lora_trainings
from vixen_pipeline.identity.weights import run_lora_weights
from vixen_pipeline.services import Services
from vixen_pipeline.stages import no_progress


@pytest.fixture
def core(settings, database, sandbox):
    """Services whose webhooks arrive at a real gateway in a thread."""
    sock = listening_socket()
    changes = {
        "dataset_images": 2,
        "replicate_concurrency": 4,
        "gateway_url": f"http://127.0.0.1:{sock.getsockname()[1]}",
        "training_poll_s": 600.0,
    }
    changed = settings.model_copy(update=changes)
    sandbox.control.training(seconds=0)
    with serve(gateway_from(changed), sock), Services(changed, database=database) as services:
        yield services


@pytest.fixture
def luna(core):
    (avatar,) = add_avatars(core, "luna")
    give_dataset(core, avatar)
    return avatar


def submit(core, avatar):
    (result,) = run_lora_trainings(core, [avatar.key], no_progress)
    assert result.outcome == "made", result


def fetch(core, avatar):
    return run_lora_weights(core, [avatar.key], no_progress)[0]


def status(core):
    with core.database.begin() as session:
        return session.scalar(text("SELECT status FROM vixen.lora_trainings ORDER BY id DESC"))


def landed(core):
    with core.database.begin() as session:
        return session.scalar(text("SELECT count(*) FROM landing.webhook_events"))


def until_succeeded(core):
    wait_until(lambda: apply_events(core) is not None and status(core) == "succeeded", seconds=60)


def test_a_signed_webhook_ends_the_training_and_its_weights_make_the_avatar_ready(core, luna):
    submit(core, luna)
    until_succeeded(core)
    result = fetch(core, luna)
    assert result.outcome == "made", result
    assert all(check.passed for check in result.checks)
    assert avatar_status(core, luna.key).status == "ready"


@pytest.mark.parametrize("mode", [("duplicate", 5), ("reorder", None)])
def test_webhooks_delivered_often_or_out_of_order_have_one_effect(core, luna, sandbox, mode):
    sandbox.control.webhooks(mode[0], times=mode[1])
    submit(core, luna)
    until_succeeded(core)
    apply_events(core)
    with core.database.begin() as session:
        booked = session.scalar(
            text("SELECT count(*) FROM vixen.cost_entries WHERE batch = 'lora_trainings'")
        )
    assert (booked, len(sandbox.control.trainings())) == (1, 1)


def test_a_webhook_that_never_comes_is_made_up_for_by_the_poll(core, luna, sandbox):
    sandbox.control.webhooks("drop")
    submit(core, luna)

    def polled():
        with core.database.begin() as session:
            session.execute(text("UPDATE vixen.lora_trainings SET next_poll_at = now()"))
        poll_due(core)
        return status(core) == "succeeded"

    wait_until(polled, seconds=60, every=0.2)
    assert landed(core) == 0
    assert fetch(core, luna).outcome == "made"


@pytest.mark.parametrize("outcome", ["failed", "canceled", "aborted"])
def test_a_training_that_ends_badly_says_so(core, luna, sandbox, outcome):
    sandbox.control.training(outcome=outcome)
    submit(core, luna)
    wait_until(lambda: apply_events(core) is not None and status(core) == outcome, seconds=60)
    shown = avatar_status(core, luna.key)
    assert outcome in shown.error and shown.permanent


def test_an_open_training_is_canceled_at_the_provider(core, luna, sandbox):
    sandbox.control.training(seconds=3600)
    submit(core, luna)
    assert cancel(core, luna.key) == "canceled"
    assert [row["status"] for row in sandbox.control.trainings()] == ["canceled"]


BAD_WEIGHTS = {"truncated": "truncated", "wrong_family": "sd15", "html": "HTML"}


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_bad_weights_are_refused_with_the_reason(core, luna, sandbox, kind):
    sandbox.control.training(weights=kind)
    submit(core, luna)
    until_succeeded(core)
    result = fetch(core, luna)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert BAD_WEIGHTS[kind] in result.error
    assert avatar_status(core, luna.key).status == "training"
