"""What a person sees of content in the Dagster UI: group, list, asset, sheets and plots."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from watched_page import SHOWN_MS, Watched

from vixen_pipeline.content.stages_list import CONTENT_STAGES, PIECES_STAGE

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(600)]

GROUP = "/locations/vixen/asset-groups/content"
DIALOG_IMAGES = "[role=dialog] img, .bp5-dialog img, .bp4-dialog img"


def label(asset: str) -> re.Pattern[str]:
    """The text of an asset's node in the graph, where Dagster shortens long names."""
    head, tail = asset[:6], asset[-6:]
    return re.compile(rf"^({re.escape(asset)}|{re.escape(head)}\w*…\w*{re.escape(tail)})$")


def partition(asset: str) -> str:
    return f"/assets/{asset}?view=partitions&partition=fitness%3Aluna"


def test_the_lineage_page_shows_the_content_group(content: Watched) -> None:
    page = content.open(f"{GROUP}/lineage")
    for stage in CONTENT_STAGES:
        content.sees(page.get_by_text(label(stage.name)))
    content.picture("content_lineage")


def test_the_list_of_the_content_group_shows_names_and_descriptions(content: Watched) -> None:
    page = content.open(f"{GROUP}/list")
    for stage in CONTENT_STAGES:
        content.sees(stage.name)
        content.sees(page.get_by_text(stage.description[:20]))
    content.picture("content_list")


def test_the_pieces_of_an_avatar_show_their_figures_and_their_sheet(content: Watched) -> None:
    page = content.open(partition("content_pieces"))
    content.sees("Materialized")
    for name in PIECES_STAGE.metadata_schema:
        content.sees(name)
    stills = page.get_by_role("row").filter(has_text="stills")
    expect(stills.first).to_contain_text("5", timeout=SHOWN_MS)
    content.picture("content_pieces")
    for number in range(page.get_by_text("[Show Markdown]").count()):
        page.get_by_text("[Show Markdown]").nth(number).click()
        picture = content.sees(page.locator(DIALOG_IMAGES))
        width, height = picture.evaluate("image => [image.naturalWidth, image.naturalHeight]")
        assert width >= 150 and height >= 50, "the preview is not a picture"
        content.picture(f"content_pieces_{number}")
        page.keyboard.press("Escape")
        expect(page.locator(DIALOG_IMAGES)).to_have_count(0, timeout=SHOWN_MS)


@pytest.mark.parametrize("asset", ["weights_exams", "content_images"])
def test_the_sheets_of_exams_and_images_are_pictures(content: Watched, asset: str) -> None:
    page = content.open(partition(asset))
    content.sees("Materialized")
    content.picture(f"{asset}_partition")
    page.get_by_text("[Show Markdown]").first.click()
    picture = content.sees(page.locator(DIALOG_IMAGES))
    width, height = picture.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert width >= 150 and height >= 50, "the sheet is not a picture"
    content.picture(f"{asset}_sheet")


def test_the_words_of_a_plan_are_shown(content: Watched) -> None:
    page = content.open(partition("content_copy"))
    content.sees("Materialized")
    content.picture("content_copy_partition")
    for platform in ("instagram", "tiktok"):
        content.sees(page.get_by_text(platform, exact=True))


def test_the_development_certificate_is_a_check_that_warns(content: Watched) -> None:
    content.open("/assets/content_pieces?view=checks&checkDetail=certificate_is_own")
    content.sees("certificate_is_own")
    content.picture("content_certificate")
