"""OpenAI writes structured text. Belongs here: the wire form of one Responses call, its usage.

Does not: fallback (text.py), prompts. Responses are not stored at the provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vixen_pipeline.errors import Transient
from vixen_pipeline.providers.failures import edge
from vixen_pipeline.providers.openai_client import PROVIDER, OpenAIClient, openai_client
from vixen_pipeline.providers.ports import CutOff, Refused, T, Usage, Written
from vixen_pipeline.providers.schemas import openai_schema
from vixen_pipeline.providers.text import read_answer, schema_name, token_usage
from vixen_pipeline.settings import Settings

if TYPE_CHECKING:
    from openai.types.responses import Response


class OpenAIText:
    """The TextModel port on OpenAI. Thread-safe."""

    def __init__(self, client: OpenAIClient, *, model: str) -> None:
        self._client = client
        self._model = model

    def write(
        self, schema: type[T], *, system: str, prompt: str, max_tokens: int = 4096
    ) -> Written[T] | Refused | CutOff:
        wire = openai_schema(schema)
        with edge(PROVIDER, repeatable=True):
            reply = self._client().responses.create(
                model=self._model,
                instructions=system,
                input=prompt,
                max_output_tokens=max_tokens,
                store=False,
                text={
                    "format": {
                        "type": "json_schema",
                        "name": schema_name(schema),
                        "schema": wire,
                        "strict": True,
                    }
                },
            )
        return self._read(schema, reply)

    def _read(self, schema: type[T], reply: Response) -> Written[T] | Refused | CutOff:
        usage = self._usage(reply)
        if reply.status == "failed":
            code = reply.error.code if reply.error is not None else "failed"
            raise Transient(PROVIDER, f"the response failed ({code}).", code=str(code))
        refusal = _refusal(reply)
        if refusal is not None:
            return Refused(refusal, PROVIDER, reply.model, usage)
        if reply.status != "completed":
            details = reply.incomplete_details
            why = details.reason if details is not None else reply.status
            if why == "content_filter":
                return Refused("content_filter", PROVIDER, reply.model, usage)
            reason = f"the answer ended early ({why})"
            return CutOff(reason, reply.output_text, PROVIDER, reply.model, usage)
        return read_answer(
            schema, reply.output_text, provider=PROVIDER, model=reply.model, usage=usage
        )

    def _usage(self, reply: Response) -> tuple[Usage, ...]:
        counts = reply.usage
        if counts is None:
            return ()
        details = counts.input_tokens_details
        cached, written = details.cached_tokens, details.cache_write_tokens
        return token_usage(
            PROVIDER,
            self._model,
            {
                "input": counts.input_tokens - cached - written,
                "cached_input": cached,
                "cache_write": written,
                "output": counts.output_tokens,
            },
        )


def _refusal(reply: Response) -> str | None:
    for item in reply.output:
        if item.type == "message":
            for part in item.content:
                if part.type == "refusal":
                    return part.refusal or "no reason given"
    return None


def build_openai_text(settings: Settings) -> OpenAIText:
    """Raises SettingsMissing."""
    return OpenAIText(openai_client(settings), model=settings.openai_model)
