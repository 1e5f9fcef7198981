"""The sandbox's structured output fits whatever schema of the supported subset it is given."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vixen_pipeline.sandbox import text_niches, text_words
from vixen_pipeline.sandbox.text_fields import Writer
from vixen_pipeline.sandbox.text_pattern import sampler
from vixen_pipeline.sandbox.text_prompt import read_brief
from vixen_pipeline.sandbox.text_schema import SchemaUnsupported, write_json

NAMES = st.sampled_from(
    ["name", "biography", "traits", "score", "hardLimits", "tone", "x", "goals", "location", "flag"]
)
PATTERNS = [
    r"^[a-z0-9-]{3,20}$",
    r"^#[A-Za-z0-9]+$",
    r"^[A-Z][a-z]+( [A-Z][a-z]+)*$",
    r"^\d{4}-\d{2}-\d{2}$",
    r"^(yes|no|maybe)$",
    r"^[^\s@]+@[^\s@]+\.[a-z]{2,4}$",
    r"^(?:v)?\d+\.\d+$",
]
FORMATS = ["date-time", "date", "time", "email", "uri", "uuid", "ipv4", "ipv6", "hostname"]


@st.composite
def strings(draw: st.DrawFn) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    match draw(st.integers(0, 3)):
        case 0:
            schema["pattern"] = draw(st.sampled_from(PATTERNS))
        case 1:
            schema["format"] = draw(st.sampled_from(FORMATS))
        case _:
            least = draw(st.integers(0, 200))
            schema["minLength"] = least
            if draw(st.booleans()):
                schema["maxLength"] = least + draw(st.integers(0, 300))
    return schema


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": draw(st.sampled_from(["integer", "number"]))}
    low = draw(st.integers(-1000, 1000))
    schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = low + draw(
            st.integers(2, 500)
        )
        return schema
    if draw(st.booleans()):
        schema["multipleOf"] = draw(st.integers(1, 20))
    return schema


LEAVES = st.one_of(
    strings(),
    numbers(),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.lists(st.sampled_from(["a", "b", "c", 1, None]), min_size=1, max_size=4, unique=True).map(
        lambda values: {"enum": values}
    ),
    st.sampled_from(["persona", 7, True, None]).map(lambda value: {"const": value}),
    st.just({"type": ["string", "null"]}),
    st.just({"$ref": "#/$defs/Node"}),
)


def _branches(children: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.dictionaries(NAMES, children, max_size=4).flatmap(
            lambda properties: st.lists(
                st.sampled_from(sorted(properties)) if properties else st.nothing(), unique=True
            ).map(
                lambda required: {
                    "type": "object",
                    "properties": properties,
                    "required": required,
                    "additionalProperties": False,
                }
            )
        ),
        st.tuples(children, st.integers(0, 3), st.integers(0, 4)).map(
            lambda t: {"type": "array", "items": t[0], "minItems": t[1], "maxItems": t[1] + t[2]}
        ),
        st.lists(children, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
        children.map(lambda child: {"allOf": [child]}),
    )


NODE = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 40},
        "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        "parent": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
    },
    "required": ["title", "parent"],
    "additionalProperties": False,
}
SCHEMAS = st.recursive(LEAVES, _branches, max_leaves=8).map(
    lambda schema: {**schema, "$defs": {"Node": NODE}}
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(schema=SCHEMAS, prompt=st.text(max_size=200))
def test_every_value_fits_its_schema_and_is_the_same_each_time(
    schema: dict[str, Any], prompt: str
) -> None:
    value = write_json(prompt, schema)
    jsonschema.validate(
        json.loads(json.dumps(value)),
        schema,
        format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
    )
    assert write_json(prompt, schema) == value


@pytest.mark.parametrize("pattern", [*PATTERNS, r"^[^a-z]+$", r"a|b{2}|[\w.-]+", r"^x?y*z+$"])
def test_sampled_strings_match_their_pattern(pattern: str) -> None:
    sample = sampler(pattern)
    dice = read_brief("seed").dice("pattern")
    for stretch in (0, 1, 5, 20):
        assert re.search(pattern, sample(dice, stretch))


def test_unique_items_are_drawn_without_repeats() -> None:
    schema = {
        "type": "array",
        "items": {"enum": ["a", "b", "c", "d"]},
        "uniqueItems": True,
        "minItems": 4,
    }
    assert sorted(write_json("x", schema)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"type": "string"}},
        {"$ref": "#/$defs/Missing"},
        {"$ref": "https://example.com/schema"},
        {"type": "array", "items": {"const": 1}, "uniqueItems": True, "minItems": 2},
        {"type": "object", "required": ["a"], "additionalProperties": False},
        {"type": "string", "minLength": 5, "maxLength": 2},
        {"$defs": {"A": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"},
        {
            "$defs": {
                "A": {
                    "type": "object",
                    "properties": {"a": {"$ref": "#/$defs/A"}},
                    "required": ["a"],
                }
            },
            "$ref": "#/$defs/A",
        },
    ],
)
def test_a_schema_that_nothing_fits_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaUnsupported):
        write_json("x", schema)


PERSONA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "biography": {"type": "string", "minLength": 80, "maxLength": 600},
        "traits": {"type": "array", "items": {"type": "string"}, "minItems": 3},
        "interests": {"type": "array", "items": {"type": "string"}, "minItems": 3},
        "hard_limits": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "tone": {"type": "string"},
        "location": {"type": "string"},
        "age": {"type": "integer", "minimum": 21},
    },
    "required": ["name", "biography", "traits", "interests", "hard_limits", "tone", "age"],
    "additionalProperties": False,
}
LUNA = """Niche: fitness
Handle: luna
Name: Luna Vale
Age: 27
Interests: trail running, kettlebells
Location: Lisbon
Hard limits:
- no crash programmes
- nothing political
"""


def test_a_persona_says_what_its_prompt_says() -> None:
    persona = write_json(LUNA, PERSONA)
    assert persona["name"] == "Luna Vale"
    assert persona["age"] == 27
    assert persona["location"] == "Lisbon"
    assert persona["interests"][:2] == ["trail running", "kettlebells"]
    assert persona["hard_limits"][:2] == ["no crash programmes", "nothing political"]
    assert "Luna Vale" in persona["biography"]


def test_lists_are_split_but_single_values_keep_their_commas() -> None:
    prompt = (
        "Niche: travel\nLocation: Lagos, Nigeria\nTone: vivid, as if writing a postcard\n"
        "Traits: curious; honest, even on bad days\nHard limits: none beyond the rules"
    )
    persona = write_json(prompt, PERSONA)
    assert persona["location"] == "Lagos, Nigeria"
    assert persona["tone"] == "vivid, as if writing a postcard"
    assert persona["traits"][:2] == ["curious", "honest, even on bad days"]
    assert "none beyond the rules" not in persona["hard_limits"]


def test_facts_are_read_from_json_too() -> None:
    spec = {
        "avatar": {"name": "Nova", "personality": {"traits": ["frank", "steady"], "tone": "dry"}}
    }
    persona = write_json(f"Write it for:\n{json.dumps(spec)}", PERSONA)
    assert (persona["name"], persona["tone"]) == ("Nova", "dry")
    assert persona["traits"][:2] == ["frank", "steady"]


def test_personas_of_different_prompts_differ_and_stay_in_their_niche() -> None:
    travel = write_json("Niche: travel\nName: Nova", PERSONA)
    food = write_json("Niche: food\nName: Basil", PERSONA)
    assert travel["biography"] != food["biography"]
    assert set(travel["interests"]) <= set(text_niches.NICHES["travel"].topics)
    assert set(food["interests"]) <= set(text_niches.NICHES["food"].topics)


def test_an_unknown_niche_draws_on_the_words_of_the_prompt() -> None:
    persona = write_json("niche: beekeeping\ninterests: honey tasting, hive design", PERSONA)
    assert persona["interests"][:2] == ["honey tasting", "hive design"]
    assert "beekeeping" in persona["biography"] or "honey" in persona["biography"]


def test_the_handle_alone_does_not_change_what_is_written() -> None:
    other = write_json(LUNA.replace("luna", "stella"), PERSONA)
    assert other == write_json(LUNA, PERSONA)


def test_the_tables_hold_nothing_that_a_policy_would_refuse() -> None:
    banned = re.compile(
        r"\b(sex\w*|nude|naked|girl|boy|teen\w*|child\w*|kids?|minors?|school\w*|young\w*|student"
        r"|baby|erotic|lingerie|kill\w*|blood\w*|weapon\w*|gun|drugs?|suicide)\b",
        re.IGNORECASE,
    )
    texts: list[str] = []
    for niche in text_niches.NICHES.values():
        texts += [*niche.words, *niche.topics, *niche.activities, *niche.jobs, *niche.goals]
        texts += niche.places
    for table in vars(text_words).values():
        if isinstance(table, tuple):
            texts += table
    assert len(texts) > 700
    assert not [text for text in texts if banned.search(text)]


def test_every_pattern_can_be_filled() -> None:
    writer = Writer(read_brief("Niche: music\nName: Ada"))
    for table in (text_words.BIOGRAPHIES, text_words.BACKSTORIES, text_words.MORE, text_words.HOOKS,
                  text_words.CAPTIONS, text_words.CALLS, text_words.REPLIES, text_words.TITLES,
                  text_words.SENTENCES):  # fmt: skip
        for pattern in table:
            assert "{" not in writer.slots.fill(pattern, writer.brief.dice(pattern))
