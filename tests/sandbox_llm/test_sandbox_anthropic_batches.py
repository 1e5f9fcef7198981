"""Message batches by the official Anthropic SDK."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from vixen_pipeline.sandbox.testing import Sandbox

MODEL = "claude-haiku-5-5"


def test_batches_run_to_results_by_custom_id(anthropic_client: anthropic.Anthropic) -> None:
    def request(custom_id: str, **params: Any) -> Any:
        turns = [{"role": "user", "content": custom_id}]
        values = {"model": MODEL, "max_tokens": 50, "messages": turns, **params}
        return {"custom_id": custom_id, "params": values}

    batch = anthropic_client.messages.batches.create(
        requests=[request("one"), request("two"), request("bad", model="claude-nothing")]
    )
    assert batch.processing_status == "in_progress"
    assert anthropic_client.messages.batches.retrieve(batch.id).processing_status == "ended"
    results = {
        entry.custom_id: entry.result
        for entry in anthropic_client.messages.batches.results(batch.id)
    }
    assert results["one"].type == "succeeded"
    assert results["one"].message.usage.service_tier == "batch"
    assert results["bad"].type == "errored"
    assert [listed.id for listed in anthropic_client.messages.batches.list()] == [batch.id]
    anthropic_client.messages.batches.delete(batch.id)
    with pytest.raises(anthropic.NotFoundError):
        anthropic_client.messages.batches.retrieve(batch.id)


def test_a_slow_batch_can_be_cancelled(
    sandbox: Sandbox, anthropic_client: anthropic.Anthropic
) -> None:
    sandbox.control.latency("anthropic_batches", 3600)
    turns: Any = [{"role": "user", "content": "x"}]
    params: Any = {"model": MODEL, "max_tokens": 5, "messages": turns}
    batch = anthropic_client.messages.batches.create(
        requests=[{"custom_id": "a", "params": params}]
    )
    assert anthropic_client.messages.batches.cancel(batch.id).processing_status == "canceling"
    sandbox.control.advance(3601)
    assert anthropic_client.messages.batches.retrieve(batch.id).request_counts.canceled == 1
    assert [entry.result.type for entry in anthropic_client.messages.batches.results(batch.id)] == [
        "canceled"
    ]
