"""Claude writes structured text. Belongs here: the wire form of one Messages call, its usage.

Does not: fallback (text.py), prompts. No temperature: API version 2026-10-21 refuses it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from vixen_pipeline.providers import http
from vixen_pipeline.providers.endpoints import Endpoint, anthropic_endpoint
from vixen_pipeline.providers.failures import edge
from vixen_pipeline.providers.ports import CutOff, Refused, T, Usage, Written
from vixen_pipeline.providers.schemas import anthropic_schema
from vixen_pipeline.providers.text import read_answer, token_usage
from vixen_pipeline.settings import Settings

if TYPE_CHECKING:
    import anthropic
    from anthropic.types import Message

PROVIDER = "anthropic"
LONG_PROMPT_TOKENS = {"claude-haiku-5-5": 100_000}
"""Prompts beyond this are billed by the model's `-long` skus."""


class AnthropicText:
    """The TextModel port on Anthropic. Thread-safe. `system` is cached for five minutes."""

    def __init__(
        self, endpoint: Endpoint, *, model: str, timeout_s: float, concurrency: int
    ) -> None:
        self._model = model
        self._client = http.Once(lambda: _client(endpoint, timeout_s, concurrency))

    def write(
        self, schema: type[T], *, system: str, prompt: str, max_tokens: int = 4096
    ) -> Written[T] | Refused | CutOff:
        wire = anthropic_schema(schema)
        with edge(PROVIDER, repeatable=True):
            reply = self._client().messages.create(
                model=self._model,
                max_tokens=max_tokens,
                system=[{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
                messages=[{"role": "user", "content": prompt}],
                output_config={"format": {"type": "json_schema", "schema": wire}},
            )
        return self._read(schema, reply)

    def _read(self, schema: type[T], reply: Message) -> Written[T] | Refused | CutOff:
        usage = _usage(self._model, reply)
        raw = "".join(block.text for block in reply.content if block.type == "text")
        if reply.stop_reason == "refusal":
            details = reply.stop_details
            said = [details.category, details.explanation] if details is not None else []
            reason = ": ".join(str(part) for part in said if part) or "no reason given"
            return Refused(reason, PROVIDER, reply.model, usage)
        if reply.stop_reason != "end_turn":
            reason = f"the answer ended early ({reply.stop_reason})"
            return CutOff(reason, raw, PROVIDER, reply.model, usage)
        return read_answer(schema, raw, provider=PROVIDER, model=reply.model, usage=usage)


def _usage(model: str, reply: Message) -> tuple[Usage, ...]:
    """`input_tokens` does not include what was read from or written to the cache."""
    counts = reply.usage
    prompt = {
        "input": counts.input_tokens,
        "cached_input": counts.cache_read_input_tokens or 0,
        "cache_write": counts.cache_creation_input_tokens or 0,
    }
    long = sum(prompt.values()) > LONG_PROMPT_TOKENS.get(model, sys.maxsize)
    name = f"{model}-long" if long else model
    return token_usage(PROVIDER, name, {**prompt, "output": counts.output_tokens})


def _client(endpoint: Endpoint, timeout_s: float, concurrency: int) -> anthropic.Anthropic:
    import anthropic

    return anthropic.Anthropic(
        api_key=endpoint.key,
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=anthropic.Timeout(timeout_s, connect=http.CONNECT_S),
        http_client=http.client2(endpoint.base_url, concurrency),
    )


def build_anthropic_text(settings: Settings) -> AnthropicText:
    """Raises SettingsMissing."""
    return AnthropicText(
        anthropic_endpoint(settings),
        model=settings.anthropic_model,
        timeout_s=settings.text_timeout_s,
        concurrency=settings.text_concurrency,
    )
