"""`vixen up` with all of Dagster: the code server and the daemon are killed and come back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from runtime_kit import Up
from vixen_testkit import wait_until

from vixen_pipeline.db import embedded
from vixen_pipeline.runtime import checks

pytestmark = pytest.mark.long


def test_dagster_comes_up_survives_kills_and_leaves_nothing(tmp_path: Path):
    up = Up(tmp_path / "home")
    try:
        up.ready(seconds=200)
        url = up.values()["VIXEN_DAGSTER_URL"]
        assert checks.location_loaded(url) is None
        assert up.get("gateway", "/readyz").json()["daemon"] == "ok"

        for module in ("code-server", "dagster._daemon"):
            first = up.pid_of(module)
            assert first is not None
            os.kill(first, signal.SIGKILL)
            wait_until(lambda m=module, f=first: up.pid_of(m) not in {None, f}, seconds=60)
        wait_until(lambda: up.text.count("code-server ready") == 2, seconds=120)
        wait_until(lambda: up.text.count("daemon ready") == 2, seconds=120)
        wait_until(lambda: checks.location_loaded(url) is None, seconds=60)

        assert up.stop(seconds=90) == 0, up.text
        assert up.left() == []
        assert not embedded.state(up.home / "postgres").running
    finally:
        up.destroy()
