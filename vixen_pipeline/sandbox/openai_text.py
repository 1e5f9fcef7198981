"""Responses and chat completions: checks, the reply, its usage with cached tokens.

Belongs here: both text interfaces, which share one writer. Does not: HTTP (openai_api), content
(text_answers). Not offered: streaming, background responses, built-in tools, stored responses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Column, Connection, DateTime, Integer, Table, Text, func, select
from sqlalchemy.dialects.postgresql import insert

from vixen_pipeline.sandbox.openai_schema import problem_of
from vixen_pipeline.sandbox.openai_wire import ApiError, new_id
from vixen_pipeline.sandbox.state import SandboxState, metadata
from vixen_pipeline.sandbox.text_answers import Answer, Question, answer
from vixen_pipeline.sandbox.text_fit import first_tokens, tokens

PROVIDER = "openai"
_LEAST_CACHED = 1024
_STEP = 128
_CACHE_LIFE = timedelta(minutes=30)
_NO_LIMIT = 1_000_000

cached_prefixes = Table(
    "openai_cached_prefixes",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("tokens", Integer, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens of one call; `cached` and `written` are parts of `input`."""

    input: int
    cached: int
    written: int
    output: int


@dataclass(frozen=True, slots=True)
class Format:
    """The structured output that was asked for; `schema` None means free text."""

    schema: Mapping[str, object] | None


def read_format(wanted: Mapping[str, Any] | None, place: str) -> Format:
    """Read `text.format` or `response_format.json_schema`. Raises ApiError 400."""
    kind = (wanted or {}).get("type", "text")
    if wanted is None or kind == "text":
        return Format(None)
    if kind == "json_object":
        return Format({"type": "object", "additionalProperties": {"type": "string"}})
    if kind != "json_schema":
        raise ApiError(400, f"Invalid value: '{kind}'.", param=place, code="invalid_value")
    name, schema = wanted.get("name"), wanted.get("schema")
    if not isinstance(name, str) or not isinstance(schema, dict):
        missing = "name" if not isinstance(name, str) else "schema"
        message = f"Missing required parameter: '{place}.{missing}'."
        raise ApiError(400, message, param=place, code="missing_required_parameter")
    if wanted.get("strict"):
        problem = problem_of(cast(Mapping[str, object], schema), name, place)
        if problem:
            raise ApiError(400, problem, param=f"{place}.schema", code="invalid_json_schema")
    return Format(cast(Mapping[str, object], schema))


def check_sampling(body: Mapping[str, Any], effort: object) -> None:
    """gpt-6 takes `temperature` only without reasoning. Raises ApiError 400."""
    if str(body.get("model", "")).startswith("gpt-6") and effort != "none":
        for name in ("temperature", "top_p"):
            if body.get(name) is not None:
                message = f"Unsupported parameter: '{name}' is not supported with this model."
                raise ApiError(400, message, param=name, code="unsupported_parameter")
    if body.get("stream"):
        raise ApiError(
            400, "The sandbox does not stream.", param="stream", code="unsupported_value"
        )


def texts_of(turns: Any, *leading: object) -> str:
    """All texts of a conversation, its own first, then the instructions."""
    found: list[str] = []
    if isinstance(turns, str):
        found.append(turns)
    elif isinstance(turns, Sequence):
        for turn in cast("Sequence[Any]", turns):
            turned = cast("dict[str, Any]", turn if isinstance(turn, dict) else {"content": turn})
            found += _parts(turned.get("content"))
    found += [str(text) for text in leading if text]
    return "\n".join(found)


def _parts(content: object) -> list[str]:
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return [] if content is None else [json.dumps(content)]
    parts = cast("list[Mapping[str, object]]", content)
    return [str(part.get("text")) for part in parts if part.get("text") is not None]


async def speak(
    state: SandboxState, route: str, prompt: str, form: Format, model: str, limit: object
) -> tuple[Answer, Spent]:
    """Write the answer and account for it. Raises ApiError 400 for a schema nothing fits."""
    most = limit if isinstance(limit, int) else _NO_LIMIT
    try:
        said = answer(state, Question(PROVIDER, route, prompt, form.schema, most))
    except ValueError as error:
        raise ApiError(400, f"Invalid schema: {error}", code="invalid_json_schema") from error
    now = state.clock.now()
    size = tokens(prompt)
    cached, written = await state.run(lambda c: _account(c, model, prompt, size, now))
    return said, Spent(size, cached, written, said.tokens)


def _account(
    connection: Connection, model: str, prompt: str, size: int, now: datetime
) -> tuple[int, int]:
    """(cached, written): prompts of 1,024 tokens and more are cached in steps of 128 tokens."""
    if size < _LEAST_CACHED:
        return 0, 0
    digests: dict[str, int] = {}
    for length in range(_LEAST_CACHED, size + 1, _STEP):
        prefix = f"{model}\x1f{first_tokens(prompt, length)}"
        digests[hashlib.sha256(prefix.encode()).hexdigest()] = length
    query = select(func.max(cached_prefixes.c.tokens)).where(
        cached_prefixes.c.digest.in_(list(digests)), cached_prefixes.c.expires_at > now
    )
    cached = connection.execute(query).scalar_one_or_none() or 0
    rows = [
        {"digest": digest, "tokens": length, "expires_at": now + _CACHE_LIFE}
        for digest, length in sorted(digests.items())
    ]
    statement = insert(cached_prefixes).values(rows)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["digest"], set_={"expires_at": statement.excluded.expires_at}
        )
    )
    return cached, max(digests.values()) - cached


def _response_message(said: Answer, status: str) -> dict[str, object]:
    nothing: list[object] = []
    part: dict[str, object] = {
        "type": "output_text",
        "text": said.text,
        "annotations": nothing,
        "logprobs": nothing,
    }
    if said.ending == "refusal":
        part = {"type": "refusal", "refusal": said.text}
    return {
        "id": new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [part],
    }


def response_object(
    body: Mapping[str, Any], said: Answer, spent: Spent, created: datetime
) -> dict[str, object]:
    """The object of POST /v1/responses."""
    status = "incomplete" if said.ending == "cut" else "completed"
    return {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": int(created.timestamp()),
        "completed_at": int(created.timestamp()) if status == "completed" else None,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if said.ending == "cut" else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": body["model"],
        "moderation": None,
        "output": [_response_message(said, status)],
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": bool(body.get("store", True)),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": {
            "input_tokens": spent.input,
            "input_tokens_details": {
                "cached_tokens": spent.cached,
                "cache_write_tokens": spent.written,
            },
            "output_tokens": spent.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": spent.input + spent.output,
        },
        "user": body.get("user"),
    }


def completion_object(
    body: Mapping[str, Any], said: Answer, spent: Spent, created: datetime
) -> dict[str, object]:
    """The object of POST /v1/chat/completions."""
    refused = said.ending == "refusal"
    message: dict[str, object] = {
        "role": "assistant",
        "content": None if refused else said.text,
        "refusal": said.text if refused else None,
        "annotations": [],
    }
    return {
        "id": new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": int(created.timestamp()),
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": "length" if said.ending == "cut" else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": spent.input,
            "completion_tokens": spent.output,
            "total_tokens": spent.input + spent.output,
            "prompt_tokens_details": {
                "cached_tokens": spent.cached,
                "cache_write_tokens": spent.written,
                "audio_tokens": 0,
            },
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": None,
    }
