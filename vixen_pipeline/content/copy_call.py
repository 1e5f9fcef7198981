"""One paid call for words, kept by its effect. Belongs here: asking, keeping, its cost.

Does not: prompts, judging. Each try is an effect with a permanent key made of the plan, the round
and the places asked for, so an answer that was paid for is never asked for again: a new run takes
up the kept answers first. A text call cannot be read back at the provider: one that a kill
interrupted counts as lost, and its places are asked for once more under the next number. A kill
therefore costs at most the calls that were under way, once; rows are written once in any case.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from vixen_pipeline.content.copy_model import COPY_PROMPT_VERSION, Chunk, CopyAnswer
from vixen_pipeline.content.copy_prompt import copy_prompt
from vixen_pipeline.db.base import Json
from vixen_pipeline.effects import Done, Effect, Failed, Intent
from vixen_pipeline.errors import Permanent
from vixen_pipeline.identity.digests import digest
from vixen_pipeline.providers.ports import CutOff, Refused, TextModel, Usage, Written

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

KIND = "content.copy"
SLOT = "text"
DEADLINE = timedelta(minutes=10)
TOKENS_PER_TEXT = 400
"""Room for one variant with its JSON, in scripts that take many tokens too."""
CHARACTERS_PER_TOKEN = 3
_LOST = "interrupted, and a text call cannot be read back: the answer counts as lost"


@dataclass(frozen=True, slots=True)
class Ask:
    """A chunk and whom to ask: `provider` names who is expected to answer, for the records."""

    chunk: Chunk
    system: str
    variants: int
    writer: TextModel
    provider: str
    model: str

    @property
    def max_tokens(self) -> int:
        return 500 + TOKENS_PER_TEXT * self.variants * len(self.chunk.places)


def answer(services: Services, ask: Ask) -> Effect:
    """The confirmed effect whose `result` is the answer, kept or new. Blocks.

    Raises BudgetExceeded and the provider's own errors; a call that fails leaves nothing behind.
    """
    number = 0
    while True:
        number += 1
        found = _try(services, ask, number)
        if found is not None:
            return found


def _try(services: Services, ask: Ask, number: int) -> Effect | None:
    """Try `number`: its answer, or None when it was lost or failed in an earlier run."""
    prompt = copy_prompt(ask.chunk)
    request: Json = {"prompt_digest": digest([ask.system, prompt]), "version": COPY_PROMPT_VERSION}
    chunk = ask.chunk
    intent = Intent(KIND, f"{_key(ask)}:{number}", ask.provider, request, chunk.avatar.id, DEADLINE)
    (effect,) = services.effects.intend([intent])
    fresh, lost = effect.state not in ("confirmed", "failed"), False

    def call(_: Effect) -> Done:
        written = ask.writer.write(
            CopyAnswer, system=ask.system, prompt=prompt, max_tokens=ask.max_tokens
        )
        return Done(None, _kept(written))

    def reconcile(_: Effect) -> Failed:
        nonlocal lost
        lost = True
        return read_back(services, effect)

    try:
        return services.effects.perform(
            effect, call, reconcile, gate=lambda: _gate(services, ask, intent.key, prompt)
        )
    except Permanent:
        if lost or not fresh:
            return None
        raise


def read_back(_services: Services, _effect: Effect) -> Failed:
    """How an interrupted call is read back: it cannot be."""
    return Failed(None, _LOST)


def _key(ask: Ask) -> str:
    """Of the business fact: these places of this plan, for the nth time, of this persona."""
    chunk = ask.chunk
    places = [[place.shot.id, place.platform] for place in chunk.places]
    what = [places, ask.variants, chunk.avatar.persona_digest, COPY_PROMPT_VERSION]
    first = chunk.places[0].shot.position
    return f"copy:{chunk.plan_id}:{chunk.round}:{first}:{digest(what)[:16]}"


@contextmanager
def _gate(services: Services, ask: Ask, key: str, prompt: str) -> Generator[None]:
    """Money first, then the slot: nobody waits in line for a call that the budget forbids."""
    tokens = Decimal((len(ask.system) + len(prompt)) // CHARACTERS_PER_TOKEN + 1000)
    expected = (
        Usage(ask.provider, f"{ask.model}:input", tokens),
        Usage(ask.provider, f"{ask.model}:output", Decimal(ask.max_tokens)),
    )
    quote = services.costs.quote(expected)
    with services.costs.reserved(ask.chunk.avatar.id, key, quote), services.slots.hold(SLOT):
        yield


def _kept(written: Written[CopyAnswer] | Refused | CutOff) -> Json:
    """The answer as the effect keeps it."""
    kept: Json = {
        "provider": written.provider,
        "model": written.model,
        "usage": [[u.provider, u.sku, str(u.units)] for u in written.usage],
    }
    if isinstance(written, Written):
        # Lone surrogates come as valid JSON escapes, and PostgreSQL keeps no NUL.
        return {**kept, "kind": "written", "value": _storable(written.value)}
    if isinstance(written, Refused):
        return {**kept, "kind": "refused", "reason": _without_unstorable(written.reason[:500])}
    return {**kept, "kind": "cut_off", "reason": _without_unstorable(written.reason[:500])}


def _storable(value: CopyAnswer) -> Json:
    return cast("Json", _without_unstorable(value.model_dump(mode="python")))


def _without_unstorable(value: object) -> object:
    if isinstance(value, str):
        return "".join(c for c in value if c != "\x00" and not "\ud800" <= c <= "\udfff")
    if isinstance(value, list):
        return [_without_unstorable(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {k: _without_unstorable(v) for k, v in cast("dict[str, object]", value).items()}
    return value


def usage_of(effect: Effect) -> list[Usage]:
    """What the provider counted for the call."""
    return [
        Usage(provider, sku, Decimal(units))
        for provider, sku, units in cast("Json", effect.result)["usage"]
    ]
