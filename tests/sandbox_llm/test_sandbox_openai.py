"""The official OpenAI SDK, unmodified, against the sandbox: responses and chat completions."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel, Field

from vixen_pipeline.sandbox.testing import Sandbox

MODEL = "gpt-6-luna"
SMALL = "text-embedding-3-small"
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


class Persona(BaseModel):
    name: str
    biography: str = Field(min_length=100, max_length=500)
    traits: list[str] = Field(min_length=3, max_length=6)
    age: int = Field(ge=21, le=60)


def test_responses_parse_into_the_model_that_was_asked_for(openai_client: openai.OpenAI) -> None:
    response = openai_client.responses.parse(
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


def test_chat_completions_parse_too(openai_client: openai.OpenAI) -> None:
    completion = openai_client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": "Niche: music\nName: Ada"}],
        response_format=Persona,
    )
    choice = completion.choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.parsed.name == "Ada"
    assert completion.usage.prompt_tokens > 0


def test_free_text_is_answered_in_both_interfaces(openai_client: openai.OpenAI) -> None:
    turns: Any = [{"role": "user", "content": [{"type": "input_text", "text": "Hello there"}]}]
    assert openai_client.responses.create(model=MODEL, input=turns).output_text
    chat: Any = [{"role": "user", "content": [{"type": "text", "text": "Hello there"}]}]
    assert (
        openai_client.chat.completions.create(model=MODEL, messages=chat).choices[0].message.content
    )


def test_refusals_and_cut_offs_are_results_of_their_own(
    sandbox: Sandbox, openai_client: openai.OpenAI
) -> None:
    sandbox.control.fault("openai", "refusal")
    refused = openai_client.responses.create(model=MODEL, input="x").output[0].content[0]
    assert refused.type == "refusal"
    sandbox.control.fault("openai", "cutoff")
    cut = openai_client.responses.create(model=MODEL, input="x")
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    short = openai_client.responses.create(model=MODEL, input="x", max_output_tokens=3)
    assert (short.status, short.usage.output_tokens) == ("incomplete", 3)
    sandbox.control.fault("openai", "refusal")
    chat: Any = [{"role": "user", "content": "x"}]
    choice = openai_client.chat.completions.create(model=MODEL, messages=chat).choices[0]
    assert choice.message.refusal and choice.message.content is None
    limited = openai_client.chat.completions.create(
        model=MODEL, messages=chat, max_completion_tokens=2
    )
    assert limited.choices[0].finish_reason == "length"


def test_strict_schemas_are_held_to_the_strict_subset(openai_client: openai.OpenAI) -> None:
    def ask(schema: dict[str, Any]) -> None:
        form: Any = {"type": "json_schema", "name": "s", "schema": schema, "strict": True}
        openai_client.responses.create(model=MODEL, input="x", text={"format": form})

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


def test_wrong_models_and_parameters_are_named(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        openai_client.responses.create(model="gpt-nothing", input="x")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as unknown:
        openai_client.responses.create(model=MODEL, input="x", extra_body={"foo": 1})
    assert (unknown.value.code, unknown.value.param) == ("unknown_parameter", "foo")
    with pytest.raises(openai.BadRequestError, match="temperature"):
        openai_client.responses.create(model=MODEL, input="x", temperature=0.5)
    none: Any = {"effort": "none"}
    assert openai_client.responses.create(model=MODEL, input="x", temperature=0.5, reasoning=none)


def test_both_kinds_of_429_are_told_apart(sandbox: Sandbox, openai_client: openai.OpenAI) -> None:
    sandbox.control.fault("openai", "rate_limit", seconds=3)
    with pytest.raises(openai.RateLimitError) as limited:
        openai_client.responses.create(model=MODEL, input="x")
    assert limited.value.code == "rate_limit_exceeded"
    assert limited.value.response.headers["retry-after"] == "3"
    sandbox.control.fault("openai", "insufficient_quota")
    with pytest.raises(openai.RateLimitError) as spent:
        openai_client.responses.create(model=MODEL, input="x")
    assert (spent.value.code, spent.value.type) == ("insufficient_quota", "insufficient_quota")
    sandbox.control.fault("openai", "error", status=503)
    with pytest.raises(openai.InternalServerError):
        openai_client.responses.create(model=MODEL, input="x")


def test_good_answers_state_the_rate_limits(openai_client: openai.OpenAI) -> None:
    raw = openai_client.responses.with_raw_response.create(model=MODEL, input="x")
    assert int(raw.headers["x-ratelimit-remaining-requests"]) > 0
    assert raw.headers["x-ratelimit-reset-tokens"] == "1s"


def test_long_prompts_are_written_to_the_cache_and_read_back(
    sandbox: Sandbox, openai_client: openai.OpenAI
) -> None:
    long = "Words of an instruction that is the same each time. " * 200

    def details(tail: str) -> Any:
        response = openai_client.responses.create(model=MODEL, input=long + tail)
        return response.usage.input_tokens_details

    first, second = details("one"), details("two")
    assert (first.cached_tokens, first.cache_write_tokens > 1024) == (0, True)
    assert second.cached_tokens >= first.cache_write_tokens - 128
    assert second.cached_tokens % 128 == 0
    sandbox.control.advance(3600)
    assert details("three").cached_tokens == 0
