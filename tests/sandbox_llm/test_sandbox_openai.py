"""The official OpenAI SDK, unmodified, against the sandbox over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import struct
from collections.abc import Generator
from typing import Any

import httpx
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


@pytest.fixture
def client(sandbox: Sandbox) -> Generator[openai.OpenAI]:
    with openai.OpenAI(
        api_key=sandbox.token, base_url=f"{sandbox.url}/openai/v1", max_retries=0
    ) as client:
        yield client


def test_responses_parse_into_the_model_that_was_asked_for(client: openai.OpenAI) -> None:
    response = client.responses.parse(
        model=MODEL,
        instructions="Write a persona.",
        input="Niche: food\nName: Basil Oakenshaw\nAge: 34",
        text_format=Persona,
    )
    persona = response.output_parsed
    assert isinstance(persona, Persona)
    assert (persona.name, persona.age) == ("Basil Oakenshaw", 34)
    assert response.status == "completed"
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_chat_completions_parse_too(client: openai.OpenAI) -> None:
    completion = client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": "Niche: music\nName: Ada"}],
        response_format=Persona,
    )
    choice = completion.choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.parsed.name == "Ada"
    assert completion.usage.prompt_tokens > 0


def test_free_text_is_answered_in_both_interfaces(client: openai.OpenAI) -> None:
    turns: Any = [{"role": "user", "content": [{"type": "input_text", "text": "Hello there"}]}]
    assert client.responses.create(model=MODEL, input=turns).output_text
    chat: Any = [{"role": "user", "content": [{"type": "text", "text": "Hello there"}]}]
    assert client.chat.completions.create(model=MODEL, messages=chat).choices[0].message.content


def test_refusals_and_cut_offs_are_results_of_their_own(
    sandbox: Sandbox, client: openai.OpenAI
) -> None:
    sandbox.control.fault("openai", "refusal")
    refused = client.responses.create(model=MODEL, input="x").output[0].content[0]
    assert refused.type == "refusal"
    sandbox.control.fault("openai", "cutoff")
    cut = client.responses.create(model=MODEL, input="x")
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    short = client.responses.create(model=MODEL, input="x", max_output_tokens=3)
    assert (short.status, short.usage.output_tokens) == ("incomplete", 3)
    sandbox.control.fault("openai", "refusal")
    chat: Any = [{"role": "user", "content": "x"}]
    choice = client.chat.completions.create(model=MODEL, messages=chat).choices[0]
    assert choice.message.refusal and choice.message.content is None
    limited = client.chat.completions.create(model=MODEL, messages=chat, max_completion_tokens=2)
    assert limited.choices[0].finish_reason == "length"


def test_strict_schemas_are_held_to_the_strict_subset(client: openai.OpenAI) -> None:
    def ask(schema: dict[str, Any]) -> None:
        form: Any = {"type": "json_schema", "name": "s", "schema": schema, "strict": True}
        client.responses.create(model=MODEL, input="x", text={"format": form})

    props = {"a": {"type": "string"}, "b": {"type": "string"}}
    with pytest.raises(
        openai.BadRequestError, match="'additionalProperties' is required"
    ) as caught:
        ask({"type": "object", "properties": props, "required": ["a", "b"]})
    assert caught.value.code == "invalid_json_schema"
    with pytest.raises(openai.BadRequestError, match="Missing 'b'"):
        ask(
            {
                "type": "object",
                "properties": props,
                "required": ["a"],
                "additionalProperties": False,
            }
        )
    with pytest.raises(openai.BadRequestError, match="type: "):
        ask({"type": "string"})


def test_errors_carry_all_four_keys_and_a_request_id(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/openai/v1/responses"
    answer = httpx.post(url, json={}, headers={"Authorization": "Bearer wrong-key-of-somebody"})
    assert answer.status_code == 401
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert answer.headers["x-request-id"].startswith("req_")
    assert httpx.post(url, json={}).status_code == 401


def test_wrong_models_and_parameters_are_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.responses.create(model="gpt-nothing", input="x")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as unknown:
        client.responses.create(model=MODEL, input="x", extra_body={"foo": 1})
    assert (unknown.value.code, unknown.value.param) == ("unknown_parameter", "foo")
    with pytest.raises(openai.BadRequestError, match="temperature"):
        client.responses.create(model=MODEL, input="x", temperature=0.5)
    none: Any = {"effort": "none"}
    assert client.responses.create(model=MODEL, input="x", temperature=0.5, reasoning=none)


def test_both_kinds_of_429_are_told_apart(sandbox: Sandbox, client: openai.OpenAI) -> None:
    sandbox.control.fault("openai", "rate_limit", seconds=3)
    with pytest.raises(openai.RateLimitError) as limited:
        client.responses.create(model=MODEL, input="x")
    assert limited.value.code == "rate_limit_exceeded"
    assert limited.value.response.headers["retry-after"] == "3"
    sandbox.control.fault("openai", "insufficient_quota")
    with pytest.raises(openai.RateLimitError) as spent:
        client.responses.create(model=MODEL, input="x")
    assert (spent.value.code, spent.value.type) == ("insufficient_quota", "insufficient_quota")
    sandbox.control.fault("openai", "error", status=503)
    with pytest.raises(openai.InternalServerError):
        client.responses.create(model=MODEL, input="x")


def test_good_answers_state_the_rate_limits(client: openai.OpenAI) -> None:
    raw = client.responses.with_raw_response.create(model=MODEL, input="x")
    assert int(raw.headers["x-ratelimit-remaining-requests"]) > 0
    assert raw.headers["x-ratelimit-reset-tokens"] == "1s"


def test_long_prompts_are_written_to_the_cache_and_read_back(
    sandbox: Sandbox, client: openai.OpenAI
) -> None:
    long = "Words of an instruction that is the same each time. " * 200

    def details(tail: str) -> Any:
        response = client.responses.create(model=MODEL, input=long + tail)
        return response.usage.input_tokens_details

    first, second = details("one"), details("two")
    assert (first.cached_tokens, first.cache_write_tokens > 1024) == (0, True)
    assert second.cached_tokens >= first.cache_write_tokens - 128
    assert second.cached_tokens % 128 == 0
    sandbox.control.advance(3600)
    assert details("three").cached_tokens == 0


# ---- moderation -----------------------------------------------------------------------------


def verdict(client: openai.OpenAI, text: str) -> Any:
    return client.moderations.create(model="omni-moderation-latest", input=text).results[0]


def test_a_list_of_texts_gets_one_result_each_with_all_thirteen_categories(
    client: openai.OpenAI,
) -> None:
    results = client.moderations.create(input=["A calm morning by the lake.", "send nudes"]).results
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
def test_each_kind_of_harm_is_flagged(client: openai.OpenAI, text: str, category: str) -> None:
    dumped = verdict(client, text).model_dump(by_alias=True)
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
def test_limits_and_harmless_words_are_not_flagged(client: openai.OpenAI, text: str) -> None:
    assert not verdict(client, text).flagged


def test_generated_personas_pass_moderation(client: openai.OpenAI) -> None:
    schema: dict[str, Any] = Persona.model_json_schema()
    niches = ("fitness", "travel", "fashion", "food", "gaming", "beauty", "music", "art")
    texts = [json.dumps(write_json(f"Niche: {niche}", schema)) for niche in niches]
    assert not any(result.flagged for result in client.moderations.create(input=texts).results)


def test_images_are_judged_by_what_was_drawn(sandbox: Sandbox, client: openai.OpenAI) -> None:
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
        results = client.moderations.create(input=parts).results
        assert len(results) == 1
        return results[0].model_dump(by_alias=True)

    assert not judge(PNG)["flagged"]
    found = judge(bad, "a portrait")
    assert found["categories"]["sexual"]
    assert found["category_applied_input_types"]["sexual"] == ["image", "text"]
    alone = judge(bad)["category_applied_input_types"]
    assert {name for name, kinds in alone.items() if kinds} == IMAGE_CATEGORIES
    assert alone["sexual/minors"] == []


def test_a_broken_image_is_a_bad_request(client: openai.OpenAI) -> None:
    for url in ("data:image/png;base64,AAAA", "data:image/png;base64,%%%", "ftp://x/y.png"):
        part: Any = {"type": "image_url", "image_url": {"url": url}}
        with pytest.raises(openai.BadRequestError):
            client.moderations.create(input=[part])


def test_moderation_can_be_ordered_to_flag_or_fail(sandbox: Sandbox, client: openai.OpenAI) -> None:
    sandbox.control.fault("openai", "flagged")
    assert verdict(client, "a calm lake").categories.sexual
    sandbox.control.fault("openai", "error", route="POST /v1/moderations")
    with pytest.raises(openai.InternalServerError):
        verdict(client, "a calm lake")
    assert not verdict(client, "a calm lake").flagged


# ---- embeddings -----------------------------------------------------------------------------


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_embeddings_are_unit_vectors_and_the_same_in_both_encodings(client: openai.OpenAI) -> None:
    made = client.embeddings.create(model=SMALL, input=["A persona", "Another"])
    vector = made.data[0].embedding
    assert len(vector) == 1536
    assert cosine(vector, vector) == pytest.approx(1, abs=1e-5)
    assert made.usage.prompt_tokens > 0
    plain = client.embeddings.create(model=SMALL, input="A persona", encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(vector, abs=1e-6)
    short = client.embeddings.create(model=SMALL, input="A persona", dimensions=256)
    assert len(short.data[0].embedding) == 256


def test_the_wire_carries_base64_of_little_endian_floats(sandbox: Sandbox) -> None:
    answer = httpx.post(
        f"{sandbox.url}/openai/v1/embeddings",
        json={"model": SMALL, "input": "x", "encoding_format": "base64"},
        headers={"Authorization": f"Bearer {sandbox.token}"},
    )
    packed = base64.b64decode(answer.json()["data"][0]["embedding"])
    assert len(struct.unpack("<1536f", packed)) == 1536


def test_near_duplicates_are_near_and_different_persons_are_not(client: openai.OpenAI) -> None:
    schema: dict[str, Any] = Persona.model_json_schema()
    prompts = [
        "Niche: fitness\nName: Luna Vale\nTraits: disciplined, warm\nInterests: trail running",
        "Niche: fitness\nName: Mara Moss\nTraits: frank, patient\nInterests: rowing, mobility",
        "Niche: travel\nName: Nova",
        "Niche: travel\nName: Iris Wren",
    ]
    texts = [json.dumps(write_json(prompt, schema)) for prompt in prompts]
    texts.append(texts[0].replace("disciplined", "determined"))
    made = client.embeddings.create(model=SMALL, input=texts).data
    vectors = [item.embedding for item in made]
    assert cosine(vectors[0], vectors[4]) > 0.95
    for one, other in itertools.combinations(vectors[:4], 2):
        assert cosine(one, other) < 0.8


def test_bad_embedding_inputs_are_refused(client: openai.OpenAI) -> None:
    for wrong in ("", [], ["a", ""]):
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model=SMALL, input=wrong)
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model=SMALL, input="x", dimensions=4000)


def test_models_state_their_shutdown_date(client: openai.OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert models[MODEL].shutdown_date is None
    assert models["gpt-5"].shutdown_date == "2026-12-11"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-nothing")
