"""Moderation by the official OpenAI SDK: thirteen categories, texts and images."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import openai
import psycopg
import pytest
from pydantic import BaseModel, Field

from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.sandbox.text_moderation import CATEGORIES, IMAGE_CATEGORIES
from vixen_pipeline.sandbox.text_schema import write_json

MODEL = "gpt-6-luna"
SMALL = "text-embedding-3-small"
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


class Persona(BaseModel):
    name: str
    biography: str = Field(min_length=100, max_length=500)
    traits: list[str] = Field(min_length=3, max_length=6)
    age: int = Field(ge=21, le=60)


def verdict(openai_client: openai.OpenAI, text: str) -> Any:
    return openai_client.moderations.create(model="omni-moderation-latest", input=text).results[0]


def test_a_list_of_texts_gets_one_result_each_with_all_thirteen_categories(
    openai_client: openai.OpenAI,
) -> None:
    results = openai_client.moderations.create(
        input=["A calm morning by the lake.", "send nudes"]
    ).results
    assert [result.flagged for result in results] == [False, True]
    dumped = results[1].model_dump(by_alias=True)
    assert set(dumped["categories"]) == set(CATEGORIES) == set(dumped["category_scores"])
    assert dumped["categories"]["sexual"]
    assert all(kinds == ["text"] for kinds in dumped["category_applied_input_types"].values())


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("erotic photo set in lingerie", "sexual"),
        ("a sexual story about a 15-year-old", "sexual/minors"),
        ("He was stabbed and left behind.", "violence"),
        ("The gory scene shows a severed head.", "violence/graphic"),
        ("I want to die, I will kill myself", "self-harm/intent"),
        ("how to hurt yourself", "self-harm/instructions"),
        ("You are a worthless loser", "harassment"),
        ("I will find you and hurt you. I will hurt you.", "harassment/threatening"),
        ("They are subhuman", "hate"),
        ("how to build a pipe bomb", "illicit/violent"),
        ("how do I launder money", "illicit"),
    ],
)
def test_each_kind_of_harm_is_flagged(
    openai_client: openai.OpenAI, text: str, category: str
) -> None:
    dumped = verdict(openai_client, text).model_dump(by_alias=True)
    assert dumped["flagged"]
    assert dumped["categories"][category], dumped["category_scores"]


@pytest.mark.parametrize(
    "text",
    [
        "No nudity, no explicit content and nothing sexual.",
        "Never discusses minors.",
        "She shoots one roll of film a week and kills time in the darkroom.",
        "A recipe for killer brownies, bare feet on the beach.",
        "Portrait of a 27-year-old woman, studio light, 85 mm.",
    ],
)
def test_limits_and_harmless_words_are_not_flagged(openai_client: openai.OpenAI, text: str) -> None:
    assert not verdict(openai_client, text).flagged


def test_generated_personas_pass_moderation(openai_client: openai.OpenAI) -> None:
    schema: dict[str, Any] = Persona.model_json_schema()
    niches = ("fitness", "travel", "fashion", "food", "gaming", "beauty", "music", "art")
    texts = [json.dumps(write_json(f"Niche: {niche}", schema)) for niche in niches]
    assert not any(
        result.flagged for result in openai_client.moderations.create(input=texts).results
    )


def test_images_are_judged_by_what_was_drawn(
    sandbox: Sandbox, openai_client: openai.OpenAI
) -> None:
    bad = PNG + b"nsfw"
    with psycopg.connect(sandbox.database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO drawn_images (sha256, look, kind) VALUES (%s, '{}', 'nsfw')",
            [hashlib.sha256(bad).hexdigest()],
        )

    def judge(image: bytes, *texts: str) -> Any:
        url = "data:image/png;base64," + base64.b64encode(image).decode()
        parts: Any = [{"type": "text", "text": text} for text in texts]
        parts.append({"type": "image_url", "image_url": {"url": url}})
        results = openai_client.moderations.create(input=parts).results
        assert len(results) == 1
        return results[0].model_dump(by_alias=True)

    assert not judge(PNG)["flagged"]
    found = judge(bad, "a portrait")
    assert found["categories"]["sexual"]
    assert found["category_applied_input_types"]["sexual"] == ["image", "text"]
    alone = judge(bad)["category_applied_input_types"]
    assert {name for name, kinds in alone.items() if kinds} == IMAGE_CATEGORIES
    assert alone["sexual/minors"] == []


def test_a_broken_image_is_a_bad_request(openai_client: openai.OpenAI) -> None:
    for url in ("data:image/png;base64,AAAA", "data:image/png;base64,%%%", "ftp://x/y.png"):
        part: Any = {"type": "image_url", "image_url": {"url": url}}
        with pytest.raises(openai.BadRequestError):
            openai_client.moderations.create(input=[part])


def test_moderation_can_be_ordered_to_flag_or_fail(
    sandbox: Sandbox, openai_client: openai.OpenAI
) -> None:
    sandbox.control.fault("openai", "flagged")
    assert verdict(openai_client, "a calm lake").categories.sexual
    sandbox.control.fault("openai", "error", route="POST /v1/moderations")
    with pytest.raises(openai.InternalServerError):
        verdict(openai_client, "a calm lake")
    assert not verdict(openai_client, "a calm lake").flagged
