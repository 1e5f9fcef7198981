"""One Messages call: checks, the reply, its usage. Thinking is accepted and not shown.

Belongs here: what the model answers, in Anthropic's form. Does not: HTTP (anthropic_api), the
content itself (text_answers), streaming (anthropic_stream).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from vixen_pipeline.sandbox.anthropic_cache import InputTokens, account, block_text, boundaries
from vixen_pipeline.sandbox.anthropic_models import BY_ID
from vixen_pipeline.sandbox.anthropic_schema import problem_of
from vixen_pipeline.sandbox.anthropic_wire import ApiError, MessagesBody, new_id
from vixen_pipeline.sandbox.state import SandboxState
from vixen_pipeline.sandbox.text_answers import Answer, Question, answer
from vixen_pipeline.sandbox.text_fit import tokens
from vixen_pipeline.sandbox.text_schema import write_json

PROVIDER = "anthropic"


def check(body: MessagesBody) -> None:
    """Refuse what the service refuses. Raises ApiError 400 or 404."""
    model = BY_ID.get(body.model)
    if model is None or model.retired:
        raise ApiError(404, f"model: {body.model}")
    roles = [str(message.get("role")) for message in body.messages]
    for index, role in enumerate(roles):
        if role not in ("user", "assistant"):
            raise ApiError(400, f"messages.{index}.role: Input should be 'user' or 'assistant'")
        if not body.messages[index].get("content"):
            raise ApiError(400, f"messages.{index}: all messages must have non-empty content")
    if roles[-1] == "assistant" and not model.prefill:
        raise ApiError(
            400,
            "This model does not support assistant message prefill. The conversation must end"
            " with a user message.",
        )
    schema = output_schema(body)
    if schema is not None and (problem := problem_of(schema)):
        raise ApiError(400, problem)


def output_schema(body: MessagesBody) -> Mapping[str, object] | None:
    """The schema of `output_config.format`, if one was sent. Raises ApiError 400."""
    asked = (body.output_config or {}).get("format")
    if asked is None:
        return None
    schema = asked.get("schema") if isinstance(asked, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(schema, dict) or asked.get("type") != "json_schema":  # pyright: ignore[reportUnknownMemberType]
        raise ApiError(400, "output_config.format: Input should be {type: json_schema, schema}")
    return cast(Mapping[str, object], schema)


def prompt_of(body: MessagesBody) -> str:
    """All that the model reads: the conversation first, then the system text."""
    texts: list[str] = []
    for message in body.messages:
        content: object = message.get("content")
        if isinstance(content, list):
            texts += [block_text(block) for block in cast("list[Mapping[str, object]]", content)]
        else:
            texts.append(str(content))
    if isinstance(body.system, str):
        texts.append(body.system)
    else:
        texts += [block_text(block) for block in body.system or []]
    return "\n".join(texts)


async def reply(
    state: SandboxState, body: MessagesBody, route: str, *, tier: str = "standard"
) -> dict[str, object]:
    """The Message object for a checked body. Raises ApiError 400 for a schema nothing fits."""
    found = boundaries(body)
    now = state.clock.now()
    billed = await state.run(lambda connection: account(connection, found, now))
    if body.max_tokens == 0:
        return _message(body, [], "max_tokens", None, _usage(billed, 0, tier))
    tool = _chosen_tool(body)
    if tool is not None:
        block, length = _tool_use(tool, prompt_of(body))
        return _message(body, [block], "tool_use", None, _usage(billed, length, tier))
    question = Question(PROVIDER, route, prompt_of(body), output_schema(body), body.max_tokens)
    try:
        said = answer(state, question)
    except ValueError as error:
        raise ApiError(400, f"output_config.format.schema: {error}") from error
    return _spoken(body, said, _usage(billed, said.tokens, tier))


def _spoken(body: MessagesBody, said: Answer, usage: dict[str, object]) -> dict[str, object]:
    if said.ending == "refusal":
        return _message(body, [], "refusal", None, usage)
    text, stop, sequence = said.text, "end_turn" if said.ending == "end" else "max_tokens", None
    for candidate in body.stop_sequences:
        if candidate and candidate in text:
            text, stop, sequence = text.partition(candidate)[0], "stop_sequence", candidate
    content: list[dict[str, object]] = (
        [{"type": "text", "text": text, "citations": None}] if text else []
    )
    return _message(body, content, stop, sequence, usage)


def _message(
    body: MessagesBody,
    content: list[dict[str, object]],
    stop_reason: str,
    stop_sequence: str | None,
    usage: dict[str, object],
) -> dict[str, object]:
    details = None
    if stop_reason == "refusal":
        details = {
            "type": "refusal",
            "category": "general_harms",
            "explanation": "The request was judged to be related to a harmful area.",
        }
    return {
        "id": new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": body.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": stop_sequence,
        "stop_details": details,
        "container": None,
        "usage": usage,
    }


def _usage(billed: InputTokens, output: int, tier: str) -> dict[str, object]:
    return {
        "input_tokens": billed.plain,
        "output_tokens": output,
        "cache_creation_input_tokens": billed.written_5m + billed.written_1h,
        "cache_read_input_tokens": billed.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": billed.written_5m,
            "ephemeral_1h_input_tokens": billed.written_1h,
        },
        "output_tokens_details": {"thinking_tokens": 0},
        "server_tool_use": None,
        "service_tier": tier,
        "inference_geo": None,
        "speed": "standard",
    }


def _chosen_tool(body: MessagesBody) -> Mapping[str, Any] | None:
    """The tool that the model calls: the one it must, or one that the question names."""
    choice = body.tool_choice or {"type": "auto"}
    kind = choice.get("type")
    if not body.tools or kind == "none":
        return None
    if kind == "tool":
        named = [tool for tool in body.tools if tool.get("name") == choice.get("name")]
        if not named:
            raise ApiError(400, f"tool_choice.name: tool {choice.get('name')!r} is not in tools")
        return named[0]
    if kind == "any":
        return body.tools[0]
    last = json.dumps(body.messages[-1].get("content")).lower()
    if '"tool_result"' in last:
        return None
    for tool in body.tools:
        words = str(tool.get("name", "")).lower().replace("-", "_").split("_")
        if any(len(word) > 3 and word in last for word in words):
            return tool
    return None


def _tool_use(tool: Mapping[str, Any], prompt: str) -> tuple[dict[str, object], int]:
    schema: Mapping[str, object] = tool.get("input_schema") or {"type": "object"}
    try:
        value = write_json(prompt, schema)
    except ValueError as error:
        raise ApiError(400, f"tools.input_schema: {error}") from error
    block: dict[str, object] = {
        "type": "tool_use",
        "id": new_id("toolu_"),
        "name": tool.get("name"),
        "input": value,
        "caller": {"type": "direct"},
    }
    return block, tokens(json.dumps(value))
