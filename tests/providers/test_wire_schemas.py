"""A pydantic model becomes a schema that both providers' strict modes accept."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from vixen_pipeline.providers.schema_samples import sample
from vixen_pipeline.providers.schemas import anthropic_schema, openai_schema, strict_schema


class Tone(Enum):
    warm = "warm"
    dry = "dry"


class Trait(BaseModel):
    name: str = Field(min_length=2, max_length=20)
    weight: float = Field(0.5, ge=0, le=1)


class Character(BaseModel):
    title: str = Field(default="none", min_length=10, description="One line.")
    age: int = Field(ge=21, lt=90)
    tone: Tone = Tone.warm
    kind: Literal["a", "b"]
    main: Trait = Field(description="The strongest one.")
    traits: list[Trait] = Field(min_length=3, max_length=7)
    note: str | None = None
    minLength: int = 3


def nodes(value: Any) -> list[dict[str, Any]]:
    """Every schema node: property names are not keywords."""
    if isinstance(value, list):
        return [node for item in value for node in nodes(item)]
    if not isinstance(value, dict):
        return []
    found = [value]
    for key, child in value.items():
        if key in ("properties", "$defs"):
            found += [node for grandchild in child.values() for node in nodes(grandchild)]
        elif key not in ("enum", "required", "const"):
            found += nodes(child)
    return found


@pytest.mark.parametrize("make", [strict_schema, anthropic_schema, openai_schema])
def test_objects_are_closed_and_every_property_is_required(make: Any) -> None:
    for node in nodes(make(Character)):
        assert "default" not in node
        assert "oneOf" not in node
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"])


def test_openai_is_told_in_words_what_it_does_not_enforce() -> None:
    schema = openai_schema(Character)
    assert schema["properties"]["title"]["description"] == "One line.\n\n{minLength: 10}"  # type: ignore[index]
    assert schema["properties"]["minLength"]["type"] == "integer"  # type: ignore[index]
    for node in nodes(schema):
        assert not {"minLength", "maxLength"} & set(node)
        if "$ref" in node:
            assert set(node) == {"$ref"}


def test_anthropic_is_told_in_words_what_it_does_not_enforce() -> None:
    age = anthropic_schema(Character)["properties"]["age"]  # type: ignore[index]
    assert age == {"type": "integer", "description": "{exclusiveMaximum: 90, minimum: 21}"}


def test_a_description_beside_a_reference_is_kept() -> None:
    for make in (anthropic_schema, openai_schema):
        main = make(Character)["properties"]["main"]  # type: ignore[index]
        assert main["description"] == "The strongest one."


def test_what_has_no_strict_form_is_named() -> None:
    class Free(BaseModel):
        scores: dict[str, int]

    class Pair(BaseModel):
        pair: tuple[int, str]

    with pytest.raises(TypeError, match=r"Free\.scores"):
        strict_schema(Free)
    with pytest.raises(TypeError, match=r"Pair\.pair"):
        strict_schema(Pair)


def test_a_sample_fits_its_schema() -> None:
    assert sample(Character).age >= 21
    assert len(sample(Character).traits) >= 3
