"""One instance for all browser tests: one avatar with good weights, one whose weights are wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from avatar_facts import READY_S, STAGES, add_example, recorded_stages
from instance import Instance, running_instance
from playwright.sync_api import Browser, sync_playwright
from vixen_testkit import wait_until
from watched_page import Watched

GOOD = "luna-rivers"
REFUSED = "kenji-mori"


def find_chromium() -> str | None:
    """The machine's own browser, or the one that `playwright install chromium` fetched."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        fetched = playwright.chromium.executable_path
    return fetched if Path(fetched).exists() else None


@pytest.fixture(scope="session")
def browser() -> Generator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium here: `make browser` installs it, or tells what to install")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shown(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Generator[Instance]:
    """fitness:luna is ready; cooking:kenji ended with weights of the wrong family."""
    with running_instance(tmp_path_factory.mktemp("ui") / "home") as instance:
        luna = add_example(instance, GOOD)
        trained = "SELECT 1 FROM vixen.lora_trainings"
        wait_until(lambda: instance.rows(trained), seconds=READY_S, every=0.1)
        instance.control.training(weights="wrong_family")
        add_example(instance, REFUSED)
        refused = "SELECT 1 FROM vixen.lora_weights WHERE failure IS NOT NULL"
        wait_until(lambda: instance.rows(refused), seconds=READY_S, every=0.2)
        wait_until(lambda: recorded_stages(instance, luna) >= STAGES, seconds=30, every=0.2)
        wait_until(lambda: failed_checks(instance) >= 1, seconds=30, every=0.2)
        yield instance


def failed_checks(instance: Instance) -> int:
    return instance.value(
        "SELECT count(*) FROM asset_check_executions"
        " WHERE check_name = 'weights_family' AND execution_status = 'FAILED'",
        database="dagster",
    )


@pytest.fixture
def watched(shown: Instance, browser: Browser, tmp_path: Path) -> Generator[Watched]:
    """A page whose errors fail the test. VIXEN_TEST_PICTURES keeps the pictures it takes."""
    pictures = Path(os.environ.get("VIXEN_TEST_PICTURES", str(tmp_path)))
    pictures.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    watched = Watched(page, shown.runtime["VIXEN_DAGSTER_URL"], pictures)
    yield watched
    page.close()
    assert watched.errors == []


@pytest.fixture(scope="session")
def with_content(shown: Instance) -> Instance:
    """The same, when the pieces of fitness:luna are recorded."""
    wait_until(
        lambda: "content_pieces" in recorded_stages(shown, "fitness:luna"),
        seconds=READY_S,
        every=0.5,
    )
    return shown


@pytest.fixture
def content(with_content: Instance, watched: Watched) -> Watched:
    return watched
