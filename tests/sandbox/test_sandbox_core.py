"""The sandbox's own frame: faults around calls, time, controls that survive a restart."""

from __future__ import annotations

from vixen_pipeline.sandbox.testing import Sandbox


def test_the_sandbox_starts_and_tells_its_state(sandbox: Sandbox) -> None:
    assert sandbox.control.state()["faults"] == []
