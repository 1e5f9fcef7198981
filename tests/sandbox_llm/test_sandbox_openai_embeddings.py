"""Embeddings by the official OpenAI SDK: encodings, nearness, bad inputs; models."""

from __future__ import annotations

import base64
import itertools
import json
import struct
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel, Field

from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.sandbox.text_schema import write_json

MODEL = "gpt-6-luna"
SMALL = "text-embedding-3-small"
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


class Persona(BaseModel):
    name: str
    biography: str = Field(min_length=100, max_length=500)
    traits: list[str] = Field(min_length=3, max_length=6)
    age: int = Field(ge=21, le=60)


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_embeddings_are_unit_vectors_and_the_same_in_both_encodings(
    openai_client: openai.OpenAI,
) -> None:
    made = openai_client.embeddings.create(model=SMALL, input=["A persona", "Another"])
    vector = made.data[0].embedding
    assert len(vector) == 1536
    assert cosine(vector, vector) == pytest.approx(1, abs=1e-5)
    assert made.usage.prompt_tokens > 0
    plain = openai_client.embeddings.create(model=SMALL, input="A persona", encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(vector, abs=1e-6)
    short = openai_client.embeddings.create(model=SMALL, input="A persona", dimensions=256)
    assert len(short.data[0].embedding) == 256


def test_the_wire_carries_base64_of_little_endian_floats(sandbox: Sandbox) -> None:
    answer = httpx.post(
        f"{sandbox.url}/openai/v1/embeddings",
        json={"model": SMALL, "input": "x", "encoding_format": "base64"},
        headers={"Authorization": f"Bearer {sandbox.token}"},
    )
    packed = base64.b64decode(answer.json()["data"][0]["embedding"])
    assert len(struct.unpack("<1536f", packed)) == 1536


def test_near_duplicates_are_near_and_different_persons_are_not(
    openai_client: openai.OpenAI,
) -> None:
    schema: dict[str, Any] = Persona.model_json_schema()
    prompts = [
        "Niche: fitness\nName: Luna Vale\nTraits: disciplined, warm\nInterests: trail running",
        "Niche: fitness\nName: Mara Moss\nTraits: frank, patient\nInterests: rowing, mobility",
        "Niche: travel\nName: Nova",
        "Niche: travel\nName: Iris Wren",
    ]
    texts = [json.dumps(write_json(prompt, schema)) for prompt in prompts]
    texts.append(texts[0].replace("disciplined", "determined"))
    made = openai_client.embeddings.create(model=SMALL, input=texts).data
    vectors = [item.embedding for item in made]
    assert cosine(vectors[0], vectors[4]) > 0.95
    for one, other in itertools.combinations(vectors[:4], 2):
        assert cosine(one, other) < 0.8


def test_bad_embedding_inputs_are_refused(openai_client: openai.OpenAI) -> None:
    for wrong in ("", [], ["a", ""]):
        with pytest.raises(openai.BadRequestError):
            openai_client.embeddings.create(model=SMALL, input=wrong)
    with pytest.raises(openai.BadRequestError):
        openai_client.embeddings.create(model=SMALL, input="x", dimensions=4000)


def test_models_state_their_shutdown_date(openai_client: openai.OpenAI) -> None:
    models = {model.id: model for model in openai_client.models.list()}
    assert models[MODEL].shutdown_date is None
    assert models["gpt-5"].shutdown_date == "2026-12-11"
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve("gpt-nothing")
