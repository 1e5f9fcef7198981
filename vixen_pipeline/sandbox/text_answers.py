"""What a text model answers, before a provider wraps it: text, refusal or cut-off.

Belongs here: the content faults that both text providers share, and billing tokens. Does not: wire
forms. Faults taken (by provider name, count and route as ordered through the control API):
`refusal` (or `refuse`), `cutoff`, `invalid_json` (or `malformed`; text that is no JSON), `misfit`
(JSON that does not fit the schema sent), `empty` (no text at all).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vixen_pipeline.sandbox.state import SandboxState
from vixen_pipeline.sandbox.text_copy import write_copy
from vixen_pipeline.sandbox.text_fit import first_tokens, tokens
from vixen_pipeline.sandbox.text_schema import write_json, write_text

REFUSAL = "I can't help with that request."


@dataclass(frozen=True, slots=True)
class Answer:
    """`ending`: end (whole), refusal (declined; `text` says so), cut (the limit was reached)."""

    text: str
    ending: Literal["end", "refusal", "cut"]
    tokens: int


@dataclass(frozen=True, slots=True)
class Question:
    """One call: `route` as faults name it, `prompt` all texts, `schema` when JSON is asked for."""

    provider: str
    route: str
    prompt: str
    schema: Mapping[str, object] | None
    max_tokens: int


def answer(state: SandboxState, question: Question) -> Answer:
    """Write the answer, faults applied. Raises SchemaUnsupported or CannotFit (both ValueError)."""

    def struck(*kinds: str) -> bool:
        return any(
            state.faults.take(question.provider, kind, question.route) is not None for kind in kinds
        )

    if struck("refusal", "refuse"):
        return Answer(REFUSAL, "refusal", tokens(REFUSAL))
    text = _write(question)
    if struck("invalid_json", "malformed"):
        text = "Sure! Here it is: {" + text[1 : max(2, len(text) // 2)]
    elif struck("misfit"):
        text = '{"unexpected": "not what was asked for"}'
    elif struck("empty"):
        text = ""
    if struck("cutoff"):
        half = max(1, tokens(text) // 2)
        return Answer(first_tokens(text, half), "cut", half)
    if (length := tokens(text)) > question.max_tokens:
        return Answer(first_tokens(text, question.max_tokens), "cut", question.max_tokens)
    return Answer(text, "end", length)


def _write(question: Question) -> str:
    if question.schema is None:
        return write_text(question.prompt)
    value = write_copy(question.prompt, question.schema)
    if value is None:
        value = write_json(question.prompt, question.schema)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
