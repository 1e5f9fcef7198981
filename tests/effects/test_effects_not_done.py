"""A read-back that is sure: the provider never took it, and the grace need not pass."""

from __future__ import annotations

from datetime import timedelta

import pytest

from vixen_pipeline.effects import Accepted, Effect, Effects, Intent, NotDone
from vixen_pipeline.services import Services


def test_what_was_surely_not_taken_is_dispatched_again_at_once(services: Services) -> None:
    intent = Intent("test", "k", "test", {}, None, timedelta(minutes=1))
    [effect] = services.effects.intend([intent])
    sent: list[int] = []

    def die(_: Effect) -> Accepted:
        raise KeyboardInterrupt

    def send(current: Effect) -> Accepted:
        sent.append(current.attempts)
        return Accepted("r")

    with pytest.raises(KeyboardInterrupt):
        services.effects.perform(effect, die, lambda _: None)
    assert services.settings.reconcile_grace_s > 1
    done = services.effects.perform(effect, send, lambda _: NotDone())
    assert sent == [2]
    assert (done.state, done.remote_id) == ("dispatched", "r")
    assert isinstance(services.effects, Effects)
