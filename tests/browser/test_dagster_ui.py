"""What a person sees in the Dagster UI, in a real headless Chromium."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from instance import Instance
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.long]

STAGES = (
    "avatars",
    "personas",
    "reference_portraits",
    "training_datasets",
    "lora_trainings",
    "lora_weights",
)


class Watched:
    """A page whose console errors are kept."""

    def __init__(self, page: Page, base: str, pictures: Path) -> None:
        self.page = page
        self.errors: list[str] = []
        self._base = base
        self._pictures = pictures
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path: str) -> Page:
        self.page.goto(self._base + path, wait_until="load")
        return self.page

    def picture(self, name: str) -> None:
        self.page.screenshot(path=str(self._pictures / f"{name}.png"), full_page=False)


@pytest.fixture
def watched(shown: Instance, chromium: str, tmp_path: Path) -> Generator[Watched]:
    pictures = Path(os.environ.get("VIXEN_TEST_PICTURES", str(tmp_path)))
    pictures.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        yield Watched(page, shown.runtime["VIXEN_DAGSTER_URL"], pictures)
        browser.close()


def test_the_lineage_page_shows_the_identity_group_without_console_errors(
    watched: Watched,
) -> None:
    page = watched.open("/asset-groups?asset-selection=group%3A%22identity%22&expanded=identity")
    for stage in STAGES:
        expect(page.get_by_text(stage, exact=True).first).to_be_visible(timeout=30_000)
    watched.picture("lineage")
    assert watched.errors == []


def test_an_asset_page_shows_owners_kinds_and_the_metadata_of_one_avatar(
    watched: Watched,
) -> None:
    page = watched.open("/assets/training_datasets?view=partitions&partition=fitness%3Aluna")
    expect(page.get_by_text("fitness:luna").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("contact_sheet").first).to_be_visible(timeout=30_000)
    watched.picture("dataset_partition")
    page = watched.open("/assets/training_datasets?view=overview")
    expect(page.get_by_text("identity", exact=True).first).to_be_visible(timeout=30_000)
    watched.picture("dataset_overview")
    assert watched.errors == []


def test_a_failed_check_is_shown_with_its_reason(watched: Watched) -> None:
    page = watched.open("/assets/lora_weights?view=checks&checkDetail=weights_family")
    expect(page.get_by_text("weights_family").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Failed").first).to_be_visible(timeout=30_000)
    watched.picture("failed_check")
    assert watched.errors == []
