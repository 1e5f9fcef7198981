"""What a person sees in the Dagster UI, in a real headless Chromium, without console errors."""

from __future__ import annotations

import re

import pytest
from avatar_facts import IMAGES
from playwright.sync_api import expect
from watched_page import SHOWN_MS, Watched

from vixen_pipeline.identity.stages_list import DATASETS_STAGE, IDENTITY_STAGES

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(600)]

GROUP = "/locations/vixen/asset-groups/identity"
RUN_ID = re.compile("^[0-9a-f]{8}$")
EXTERNAL = ("avatar_specs", "replicate_webhooks")


def label(asset: str) -> re.Pattern[str]:
    """The text of an asset's node in the graph, where Dagster shortens long names."""
    head, tail = asset[:6], asset[-6:]
    return re.compile(rf"^({re.escape(asset)}|{re.escape(head)}\w*…\w*{re.escape(tail)})$")


def test_the_lineage_page_shows_the_identity_group(watched: Watched) -> None:
    page = watched.open(f"{GROUP}/lineage")
    for asset in (*EXTERNAL, *(stage.name for stage in IDENTITY_STAGES)):
        watched.sees(page.get_by_text(label(asset)))
    watched.picture("lineage")


def test_the_list_of_the_group_shows_full_names_descriptions_and_kinds(watched: Watched) -> None:
    page = watched.open(f"{GROUP}/list")
    for stage in IDENTITY_STAGES:
        watched.sees(stage.name)
        watched.sees(page.get_by_text(stage.description[:20]))
    watched.sees("safetensors")
    watched.sees(page.get_by_text(re.compile("2 partitions")))
    watched.picture("list")


def test_an_asset_page_shows_its_description_owners_kinds_and_group(watched: Watched) -> None:
    page = watched.open("/assets/training_datasets?view=overview")
    watched.sees(page.get_by_text(DATASETS_STAGE.description[:40]))
    for text in ("Owners", "Kinds", "replicate", "vixen/system: identity"):
        watched.sees(text)
    assert page.get_by_text("identity", exact=True).count() >= 2, "the group and the owner"
    watched.picture("dataset_overview")


def test_the_partition_of_an_avatar_shows_its_figures_and_its_contact_sheet(
    watched: Watched,
) -> None:
    page = watched.open("/assets/training_datasets?view=partitions&partition=fitness%3Aluna")
    watched.sees("Materialized")
    for name in DATASETS_STAGE.metadata_schema:
        watched.sees(name)
    accepted = page.get_by_role("row").filter(has_text="images_accepted")
    expect(accepted.first).to_contain_text(str(IMAGES), timeout=SHOWN_MS)
    watched.picture("dataset_partition")
    page.get_by_text("[Show Markdown]").first.click()
    picture = watched.sees(page.locator("[role=dialog] img, .bp5-dialog img, .bp4-dialog img"))
    width, height = picture.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert width >= 200 and height >= 50, "the contact sheet is not a picture"
    watched.picture("contact_sheet")


def test_a_failed_check_is_shown_with_its_reason_and_the_avatar(watched: Watched) -> None:
    watched.open("/assets/lora_weights?view=checks&checkDetail=weights_family")
    for text in ("weights_family", "Failed", "cooking:kenji"):
        watched.sees(text)
    watched.sees("the LoRA is for sd15; inference uses sdxl")
    watched.picture("failed_check")


def test_the_events_of_the_refused_weights_say_why_and_what_to_do(watched: Watched) -> None:
    page = watched.open("/assets/lora_weights?view=events")
    watched.sees("the weights are refused: the LoRA is for sd15; inference uses sdxl")
    watched.sees(page.get_by_text(re.compile("vixen materialize .* --avatar cooking:kenji")))
    watched.picture("refused_event")


def test_a_run_page_shows_the_drain_that_made_the_avatars(watched: Watched) -> None:
    page = watched.open("/runs")
    page.locator("a[href^='/runs/']").filter(has_text=RUN_ID).first.click(timeout=SHOWN_MS)
    watched.sees("drain")
    watched.sees("ASSET_MATERIALIZATION")
    watched.picture("run")
