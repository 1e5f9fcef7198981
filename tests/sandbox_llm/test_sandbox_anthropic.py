"""The official Anthropic SDK, unmodified, against the sandbox over real HTTP."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx
import pytest
from pydantic import BaseModel, Field

from vixen_pipeline.sandbox.testing import Sandbox

MODEL = "claude-haiku-5-5"


class Persona(BaseModel):
    name: str
    biography: str = Field(min_length=100, max_length=500)
    traits: list[str] = Field(min_length=3, max_length=6)
    age: int = Field(ge=21, le=60)


def ask(
    anthropic_client: anthropic.Anthropic, text: str = "Hello", **more: Any
) -> anthropic.types.Message:
    options: dict[str, Any] = {"model": MODEL, "max_tokens": 2000, **more}
    options.setdefault("messages", [{"role": "user", "content": text}])
    return anthropic_client.messages.create(**options)


def format_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "schema": schema}}


def test_a_parsed_answer_keeps_even_the_limits_that_the_sdk_moved_to_descriptions(
    anthropic_client: anthropic.Anthropic,
) -> None:
    message = anthropic_client.messages.parse(
        model=MODEL,
        max_tokens=2000,
        messages=[{"role": "user", "content": "Niche: fitness\nName: Luna Vale\nAge: 27"}],
        output_format=Persona,
    )
    persona = message.parsed_output
    assert isinstance(persona, Persona)
    assert (persona.name, persona.age) == ("Luna Vale", 27)
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 20


def test_the_same_prompt_gets_the_same_answer_and_another_one_another(
    anthropic_client: anthropic.Anthropic,
) -> None:
    first, again, other = (
        ask(anthropic_client, text).content[0].text for text in ("One", "One", "Two")
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "object", "properties": {}}, "'additionalProperties' must be explicitly set"),
        ({"type": "string", "maxLength": 5}, "property 'maxLength' is not supported"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 3}, "other than 0 or 1"),
        ({"type": "integer", "minimum": 3}, "property 'minimum' is not supported"),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}]}}},
            "Circular reference",
        ),
    ],
)
def test_schemas_outside_the_provider_s_subset_are_refused(
    anthropic_client: anthropic.Anthropic, schema: dict[str, Any], words: str
) -> None:
    with pytest.raises(anthropic.BadRequestError, match=words):
        ask(anthropic_client, output_config=format_of(schema))


def test_wrong_and_missing_keys_are_refused(sandbox: Sandbox) -> None:
    stranger = anthropic.Anthropic(
        api_key="wrong", base_url=f"{sandbox.url}/anthropic", max_retries=0
    )
    with pytest.raises(anthropic.AuthenticationError) as caught:
        ask(stranger)
    assert caught.value.body["error"]["type"] == "authentication_error"
    assert caught.value.request_id.startswith("req_")
    assert httpx.get(f"{sandbox.url}/anthropic/v1/models").status_code == 401


def test_both_ways_of_sending_the_key_work_and_the_version_is_required(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/anthropic/v1/models"
    old = {"x-api-key": sandbox.token, "anthropic-version": "2023-06-01"}
    assert httpx.get(url, headers=old).status_code == 200
    without = httpx.get(url, headers={"x-api-key": sandbox.token})
    assert without.status_code == 400
    assert "anthropic-version" in without.json()["error"]["message"]


def test_sampling_parameters_are_refused_on_the_newest_version_only(sandbox: Sandbox) -> None:
    body = {"model": MODEL, "max_tokens": 9, "temperature": 1.0}
    body["messages"] = [{"role": "user", "content": "Hi"}]
    headers = {"x-api-key": sandbox.token, "anthropic-version": "2026-10-21"}
    url = f"{sandbox.url}/anthropic/v1/messages"
    new = httpx.post(url, json=body, headers=headers)
    assert new.status_code == 400
    assert new.json()["error"]["message"] == "temperature: Extra inputs are not permitted"
    old = httpx.post(url, json=body, headers={**headers, "anthropic-version": "2023-06-01"})
    assert old.status_code == 200


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_bad_requests_name_the_field(
    sandbox: Sandbox, anthropic_client: anthropic.Anthropic
) -> None:
    with pytest.raises(anthropic.BadRequestError, match="foo: Extra inputs"):
        ask(anthropic_client, extra_body={"foo": 1})
    with pytest.raises(anthropic.BadRequestError, match="prefill"):
        ask(
            anthropic_client,
            messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        )
    with pytest.raises(anthropic.NotFoundError, match="claude-nothing"):
        ask(anthropic_client, model="claude-nothing")
    with pytest.raises(anthropic.NotFoundError, match="claude-opus-4-0"):
        ask(anthropic_client, model="claude-opus-4-0")


def test_a_cached_system_prompt_is_written_once_then_read_until_it_expires(
    sandbox: Sandbox, anthropic_client: anthropic.Anthropic
) -> None:
    system = [
        {
            "type": "text",
            "text": "You write personas. " * 50,
            "cache_control": {"type": "ephemeral"},
        }
    ]
    first = ask(anthropic_client, "a", system=system).usage
    second = ask(anthropic_client, "b", system=system).usage
    assert first.cache_creation_input_tokens > 100
    assert (first.cache_read_input_tokens, second.cache_creation_input_tokens) == (0, 0)
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert first.cache_creation.ephemeral_5m_input_tokens == first.cache_creation_input_tokens
    assert 0 < second.input_tokens < 20
    sandbox.control.advance(301)
    third = ask(anthropic_client, "c", system=system).usage
    assert third.cache_creation_input_tokens == first.cache_creation_input_tokens


def test_a_growing_conversation_reads_its_former_turns_from_the_cache(
    anthropic_client: anthropic.Anthropic,
) -> None:
    turns: list[dict[str, Any]] = [{"role": "user", "content": "First question, quite long."}]
    control = {"type": "ephemeral", "ttl": "1h"}
    first = ask(anthropic_client, messages=turns, cache_control=control).usage
    turns += [{"role": "assistant", "content": "Answer."}, {"role": "user", "content": "Second."}]
    second = ask(anthropic_client, messages=turns, cache_control=control).usage
    assert first.cache_creation.ephemeral_1h_input_tokens > 0
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert second.cache_creation_input_tokens > 0
    assert second.input_tokens == 0


def test_tools_are_called_with_input_that_fits_and_their_result_is_answered(
    anthropic_client: anthropic.Anthropic,
) -> None:
    tool = {
        "name": "start_trial",
        "description": "Starts a trial",
        "input_schema": {
            "type": "object",
            "properties": {"email": {"type": "string", "format": "email"}},
            "required": ["email"],
        },
    }
    turns: list[Any] = [{"role": "user", "content": "Please start my trial"}]
    called = ask(anthropic_client, messages=turns, tools=[tool])
    assert called.stop_reason == "tool_use"
    use = called.content[0]
    assert use.type == "tool_use" and "@" in use.input["email"]
    turns += [
        {"role": "assistant", "content": [block.model_dump() for block in called.content]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "started"}],
        },
    ]
    assert ask(anthropic_client, messages=turns, tools=[tool]).stop_reason == "end_turn"
    assert ask(anthropic_client, tools=[tool]).stop_reason == "end_turn"
    forced = ask(anthropic_client, tools=[tool], tool_choice={"type": "any"})
    assert forced.content[0].type == "tool_use"


def test_a_streamed_message_equals_the_plain_one(anthropic_client: anthropic.Anthropic) -> None:
    plain = ask(anthropic_client, "Tell me about music")
    with anthropic_client.messages.stream(
        model=MODEL, max_tokens=2000, messages=[{"role": "user", "content": "Tell me about music"}]
    ) as stream:
        assert "".join(stream.text_stream) == plain.content[0].text
        final = stream.get_final_message()
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == plain.usage.output_tokens


def test_an_answer_over_max_tokens_is_cut_off(anthropic_client: anthropic.Anthropic) -> None:
    message = ask(anthropic_client, "Tell me about music", max_tokens=5)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)


def test_tokens_are_counted_as_they_are_billed(anthropic_client: anthropic.Anthropic) -> None:
    turns: Any = [{"role": "user", "content": "How many tokens is this?"}]
    counted = anthropic_client.messages.count_tokens(model=MODEL, messages=turns, system="Short.")
    assert (
        counted.input_tokens
        == ask(anthropic_client, messages=turns, system="Short.").usage.input_tokens
    )


def test_models_state_their_lifecycle(anthropic_client: anthropic.Anthropic) -> None:
    models = {model.id: model for model in anthropic_client.models.list(limit=5)}
    assert models[MODEL].lifecycle == "active"
    assert models["claude-sonnet-4-5"].lifecycle == "deprecated"
    assert models["claude-sonnet-4-5"].retires_at.date().isoformat() == "2026-11-30"
    assert models["claude-opus-4-0"].lifecycle == "retired"
    assert anthropic_client.models.retrieve(MODEL).id == MODEL


def test_the_ordered_faults_come_in_the_provider_s_own_words(
    sandbox: Sandbox, anthropic_client: anthropic.Anthropic
) -> None:
    fault = sandbox.control.fault
    fault("anthropic", "overloaded")
    with pytest.raises(anthropic.APIStatusError) as overloaded:
        ask(anthropic_client)
    assert overloaded.value.status_code == 529
    assert overloaded.value.body["error"]["type"] == "overloaded_error"
    fault("anthropic", "rate_limit", seconds=7)
    with pytest.raises(anthropic.RateLimitError) as limited:
        ask(anthropic_client)
    assert limited.value.response.headers["retry-after"] == "7"
    fault("anthropic", "spend_limit")
    with pytest.raises(anthropic.RateLimitError) as spent:
        ask(anthropic_client)
    assert "retry-after" not in spent.value.response.headers
    assert spent.value.body["error"]["details"]["error_code"] == "enforced_spend_limit_reached"
    fault("anthropic", "error")
    with pytest.raises(anthropic.InternalServerError):
        ask(anthropic_client)
    fault("anthropic", "drop_reply")
    with pytest.raises(anthropic.APIConnectionError):
        ask(anthropic_client)
    assert ask(anthropic_client).stop_reason == "end_turn"


def test_refusals_cut_offs_and_broken_json_come_as_results(
    sandbox: Sandbox, anthropic_client: anthropic.Anthropic
) -> None:
    schema = format_of(
        {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": False,
        }
    )
    sandbox.control.fault("anthropic", "refusal")
    refused = ask(anthropic_client, output_config=schema)
    assert (refused.stop_reason, refused.content) == ("refusal", [])
    assert refused.stop_details.category == "general_harms"
    sandbox.control.fault("anthropic", "cutoff")
    assert ask(anthropic_client, output_config=schema).stop_reason == "max_tokens"
    sandbox.control.fault("anthropic", "invalid_json")
    with pytest.raises(ValueError):
        json.loads(ask(anthropic_client, output_config=schema).content[0].text)
    sandbox.control.fault("anthropic", "misfit")
    assert "name" not in json.loads(ask(anthropic_client, output_config=schema).content[0].text)
    assert "name" in json.loads(ask(anthropic_client, output_config=schema).content[0].text)
