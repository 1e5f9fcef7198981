"""One instance for all browser tests: one avatar with good weights, one whose weights are wrong."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from guard_paths import ROOT
from instance import Instance, running_instance
from vixen_testkit import wait_until

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
EXAMPLES = ROOT / "examples" / "avatars"


@pytest.fixture(scope="session")
def chromium() -> str:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: `make browser` installs it, or tells what to install")
    return CHROMIUM


@pytest.fixture(scope="session")
def shown(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Instance]:
    """fitness:luna is ready; the second example ended with weights of the wrong family."""
    home: Path = tmp_path_factory.mktemp("ui") / "home"
    with running_instance(home) as instance:
        instance.vixen("avatar", "add", str(EXAMPLES / "luna-rivers.yaml"))
        wait_until(lambda: instance.status("fitness:luna") == "ready", seconds=150, every=0.5)
        instance.control.training(weights="wrong_family")
        instance.vixen("avatar", "add", str(EXAMPLES / "kenji-mori.yaml"))
        wait_until(
            lambda: instance.rows("SELECT 1 FROM vixen.lora_weights WHERE failure IS NOT NULL"),
            seconds=150,
            every=0.5,
        )
        yield instance
