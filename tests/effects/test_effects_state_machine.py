"""How an effect goes from intended to its end, in one process."""

from __future__ import annotations

from datetime import timedelta

import pytest
from vixen_pipeline.effects import Accepted, Done, Intent
from vixen_pipeline.services import Services


def test_a_batch_of_500_intents_is_one_insert_and_returns_rows_in_order(services: Services) -> None:
    intents = [
        Intent("image", f"k{n}", "replicate", {"n": n}, None, timedelta(hours=1))
        for n in range(500)
    ]
    effects = services.effects.intend(intents)
    assert [e.key for e in effects] == [i.key for i in intents]
    assert services.effects.intend(intents) == effects
    done = services.effects.perform(effects[0], lambda e: Done("r0", {"ok": 1}), lambda e: None)
    assert done.state == "confirmed" and done.result == {"ok": 1}
    acc = services.effects.perform(effects[1], lambda e: Accepted("r1"), lambda e: None)
    assert acc.state == "dispatched" and acc.remote_id == "r1"
    assert services.effects.settle(acc.id, result={"a": 1}, error=None)
    assert not services.effects.settle(acc.id, result=None, error="x")
    with services.slots.hold("text"):
        pass
    assert services.effects.search(state="confirmed")[0].effect.key == "k1"
    assert services.costs.summary() == []
    assert services.inbox.land("replicate", "e1", b"x")
    assert not services.inbox.land("replicate", "e1", b"x")
    (event,) = services.inbox.claim("replicate")
    with services.inbox.handling(event):
        pass
    assert services.inbox.pending("replicate").count == 0
