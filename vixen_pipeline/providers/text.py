"""Structured text: Anthropic first, OpenAI when Anthropic cannot.

Belongs here: the choice between the two, and what both clients share. Does not: prompts, repairing
an answer that does not fit (callers ask again), policy. Calls cost money but leave nothing behind
at the provider, so they may be repeated: no text call ever ends Unknown.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from pydantic import BaseModel, ValidationError

from vixen_pipeline.errors import Permanent, ProviderError, Transient
from vixen_pipeline.providers.failures import AUTH, QUOTA
from vixen_pipeline.providers.ports import CutOff, Refused, T, TextModel, Usage, Written
from vixen_pipeline.settings import Settings

log = logging.getLogger(__name__)

REST_S = 15.0
"""How long a model that failed transiently is asked second, unless it named its own wait."""
LONG_REST_S = 300.0
"""The same after a refused key, spent quota or a model that is gone: a person must act."""
_SHORTEST_REST_S = 1.0
_FALLBACK_CODES = frozenset({AUTH, QUOTA, "404", "model_not_found", "not_found_error"})


def read_answer(
    schema: type[T], raw: str, *, provider: str, model: str, usage: tuple[Usage, ...]
) -> Written[T] | CutOff:
    """Written when `raw` fits the schema, CutOff with the first reasons when it does not."""
    try:
        value = schema.model_validate_json(raw)
    except ValidationError as error:
        return CutOff(_misfit(error), raw, provider, model, usage)
    return Written(value, provider, model, usage)


def token_usage(provider: str, model: str, tokens: Mapping[str, int]) -> tuple[Usage, ...]:
    """`{"input": 12, …}` as billed units of `<model>:input`; kinds with no tokens are left out."""
    return tuple(
        Usage(provider, f"{model}:{kind}", Decimal(count))
        for kind, count in tokens.items()
        if count > 0
    )


def _misfit(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"{'.'.join(map(str, p['loc'])) or 'answer'}: {p['msg']}" for p in problems[:5]]
    more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
    return f"the answer does not fit: {'; '.join(lines)}{more}"


class FallbackText:
    """Asks the first model, and the second when the first is down, refused the key or has no
    credit. A refusal is an answer: it falls back only with `fall_back_on_refusal`.

    A model that failed rests: meanwhile the other is asked first, so that an outage costs one
    time-out and not one per call. When both fail, the more hopeful failure is raised.
    """

    def __init__(
        self,
        models: Sequence[TextModel],
        *,
        fall_back_on_refusal: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = tuple(models)
        self._fall_back_on_refusal = fall_back_on_refusal
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._rests_until = [0.0] * len(self._models)

    def write(
        self, schema: type[T], *, system: str, prompt: str, max_tokens: int = 4096
    ) -> Written[T] | Refused | CutOff:
        failures: list[ProviderError] = []
        refusal: Refused | None = None
        for index in self._order():
            try:
                answer = self._models[index].write(
                    schema, system=system, prompt=prompt, max_tokens=max_tokens
                )
            except ProviderError as error:
                if refusal is None and not _falls_back(error):
                    raise
                self._rest(index, error)
                failures.append(error)
                log.warning("text_fallback", extra={"provider": error.provider, "code": error.code})
                continue
            self._rests_until[index] = 0.0
            if isinstance(answer, Refused) and self._fall_back_on_refusal and refusal is None:
                refusal = answer
                continue
            return answer if refusal is None else _with_usage(answer, refusal)
        if refusal is not None:
            return refusal
        raise _most_hopeful(failures)

    def turned(self) -> FallbackText:
        """The same models, the last asked first."""
        return FallbackText(
            self._models[::-1],
            fall_back_on_refusal=self._fall_back_on_refusal,
            monotonic=self._monotonic,
        )

    def _order(self) -> list[int]:
        now = self._monotonic()
        return sorted(range(len(self._models)), key=lambda i: self._rests_until[i] > now)

    def _rest(self, index: int, error: ProviderError) -> None:
        if isinstance(error, Permanent):
            seconds = LONG_REST_S
        else:
            asked = error.retry_after if isinstance(error, Transient) else None
            seconds = REST_S if asked is None else min(max(asked, _SHORTEST_REST_S), LONG_REST_S)
        with self._lock:
            self._rests_until[index] = self._monotonic() + seconds


def second_opinion(model: TextModel) -> TextModel:
    """Whom to ask when an answer of `model` is no use: its fallback first, if it has one."""
    return model.turned() if isinstance(model, FallbackText) else model


def _falls_back(error: ProviderError) -> bool:
    return not isinstance(error, Permanent) or error.code in _FALLBACK_CODES


def _with_usage(
    answer: Written[T] | Refused | CutOff, refusal: Refused
) -> Written[T] | Refused | CutOff:
    """The refusal before it was billed too."""
    usage = refusal.usage + answer.usage
    if isinstance(answer, Written):
        return Written(answer.value, answer.provider, answer.model, usage)
    if isinstance(answer, Refused):
        return Refused(answer.reason, answer.provider, answer.model, usage)
    return CutOff(answer.reason, answer.raw, answer.provider, answer.model, usage)


def _most_hopeful(failures: Sequence[ProviderError]) -> ProviderError:
    """A transient failure if there is one, the soonest; else the first, naming the others."""
    transient = [error for error in failures if not isinstance(error, Permanent)]
    chosen = min(
        transient or failures[:1],
        key=lambda e: e.retry_after or 0.0 if isinstance(e, Transient) else 0.0,
    )
    others = "; ".join(error.message for error in failures if error is not chosen)
    if others:
        chosen.message = f"{chosen.message} Also: {others}"
    return chosen


def build_text_model(settings: Settings) -> TextModel:
    """Anthropic with OpenAI behind it. Raises SettingsMissing."""
    from vixen_pipeline.providers.text_anthropic import build_anthropic_text
    from vixen_pipeline.providers.text_openai import build_openai_text

    return FallbackText([build_anthropic_text(settings), build_openai_text(settings)])


def schema_name(schema: type[BaseModel]) -> str:
    """A name that both providers accept: letters, digits, `_` and `-`, 64 at most."""
    kept = "".join(
        c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in schema.__name__
    )
    return kept[:64]
