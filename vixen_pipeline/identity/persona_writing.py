"""Having a persona written, at most once per try, whatever is killed. Belongs here: the tries.

Does not: judging (persona_judge), storing (persona_store). Each try is an effect with a permanent
key, so an answer that was paid for is never asked for again: a new run replays the kept answers
first. A text call cannot be read back, so one that was interrupted counts as lost: it is failed
for good and the next try takes its place.

    answer fits and keeps the policy ── done
    refused by the model ────────────── fails, naming the model's reason
    does not fit (cut off, wrong ages)─ repaired if possible, else asked again with the reasons
    breaks the policy, or moderation ── asked again once with the reasons, then refused
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from vixen_pipeline.costs import PaidCall
from vixen_pipeline.db.base import Json
from vixen_pipeline.effects import Done, Effect, Failed, Intent
from vixen_pipeline.errors import Permanent, PolicyRefused, StageFailed
from vixen_pipeline.identity.digests import PERSONA_PROMPT_VERSION, digest
from vixen_pipeline.identity.persona_judge import breaches, fit, misfits, repair_raw
from vixen_pipeline.identity.persona_model import Persona, PersonaDraft, persona_texts
from vixen_pipeline.identity.persona_prompt import SYSTEM, persona_prompt
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.providers.ports import CutOff, Refused, Usage, Written
from vixen_pipeline.safety.moderation import moderate_texts

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

STAGE = "personas"
KIND = "persona"
SLOT = "text"
MAX_NEW_CALLS = 4
"""Paid tries of one run; kept answers of earlier runs are replayed without a call."""
MAX_BREACHES = 2
MAX_TOKENS = 3000
CHARACTERS_PER_TOKEN = 3
DEADLINE = timedelta(minutes=10)
_LOST = "interrupted, and a text call cannot be read back: the answer counts as lost"


@dataclass(frozen=True, slots=True)
class WrittenPersona:
    """A persona that may be kept. `tries` counts the answers so far, `repairs` fields put right."""

    persona: Persona
    repairs: tuple[str, ...]
    tries: int
    provider: str
    model: str


@dataclass(slots=True)
class _Tries:
    reasons: list[str] = field(default_factory=list[str])
    new_calls: int = 0
    breaches: int = 0


def write_persona(
    services: Services, avatar: AvatarRef, allowed_people: tuple[str, ...] = ()
) -> WrittenPersona:
    """Have the persona of `avatar` written and judged. Blocks; run it in a thread.

    Raises StageFailed (the model declined, or no answer fits), PolicyRefused, BudgetExceeded, and
    the provider's own errors.
    """
    tries, number = _Tries(), 0
    while True:
        number += 1
        effect, fresh = _answer(services, avatar, number, tries)
        if effect is None:
            continue
        result = cast("Json", effect.result)
        if result["kind"] == "refused":
            if fresh:
                raise StageFailed(
                    STAGE, f"{result['model']} declined to write the persona: {result['reason']}"
                )
            continue
        written = _judge(services, avatar, result, number, tries, allowed_people, fresh=fresh)
        if written is not None:
            return written


def _answer(
    services: Services, avatar: AvatarRef, number: int, tries: _Tries
) -> tuple[Effect | None, bool]:
    """The kept or new answer of try `number` (None: there is none), and whether it is new."""
    prompt = persona_prompt(avatar, tries.reasons[:8])
    request: Json = {"prompt_digest": digest(prompt), "version": PERSONA_PROMPT_VERSION}
    key = f"persona:{avatar.id}:{avatar.persona_digest}:{number}"
    provider = "anthropic"
    intent = Intent(KIND, key, provider, request, avatar.id, DEADLINE)
    (effect,) = services.effects.intend([intent])
    fresh = effect.state not in ("confirmed", "failed")
    if fresh:
        if tries.new_calls >= MAX_NEW_CALLS:
            raise StageFailed(
                STAGE,
                f"no usable persona in {number - 1} tries: {'; '.join(tries.reasons[:5])}",
                reasons=tries.reasons,
            )
        tries.new_calls += 1
    lost = False

    def call(_: Effect) -> Done:
        answer = services.text.write(
            PersonaDraft, system=SYSTEM, prompt=prompt, max_tokens=MAX_TOKENS
        )
        return Done(None, _kept(answer))

    def reconcile(_: Effect) -> Failed:
        nonlocal lost
        lost = True
        return Failed(None, _LOST)

    try:
        done = services.effects.perform(
            effect, call, reconcile, gate=lambda: _gate(services, avatar, key, prompt)
        )
    except Permanent:
        if lost or not fresh:
            return None, fresh
        raise
    _record_cost(services, avatar, done)
    return done, fresh


@contextmanager
def _gate(services: Services, avatar: AvatarRef, key: str, prompt: str) -> Generator[None]:
    """Money first, then the slot: nobody waits in line for a call that the budget forbids."""
    model = services.settings.anthropic_model
    tokens = Decimal((len(SYSTEM) + len(prompt)) // CHARACTERS_PER_TOKEN + 1000)
    expected = (
        Usage("anthropic", f"{model}:input", tokens),
        Usage("anthropic", f"{model}:output", Decimal(MAX_TOKENS)),
    )
    with (
        services.costs.reserved(avatar.id, key, services.costs.quote(expected)),
        services.slots.hold(SLOT),
    ):
        yield


def _kept(answer: Written[PersonaDraft] | Refused | CutOff) -> Json:
    """The answer as the effect keeps it."""
    kept: Json = {
        "provider": answer.provider,
        "model": answer.model,
        "usage": [[u.provider, u.sku, str(u.units)] for u in answer.usage],
    }
    if isinstance(answer, Written):
        return {**kept, "kind": "written", "value": answer.value.model_dump(mode="json")}
    if isinstance(answer, Refused):
        return {**kept, "kind": "refused", "reason": answer.reason[:500]}
    return {**kept, "kind": "cut_off", "reason": answer.reason[:500], "raw": answer.raw[:20_000]}


def _record_cost(services: Services, avatar: AvatarRef, effect: Effect) -> None:
    """Idempotent: after a crash between answer and entry, the replay writes the entry."""
    usages = [
        Usage(provider, sku, Decimal(units))
        for provider, sku, units in cast("Json", effect.result)["usage"]
    ]
    services.costs.record([PaidCall(effect.key, avatar.id, effect.id, STAGE, usages)])


def _judge(
    services: Services,
    avatar: AvatarRef,
    result: Json,
    number: int,
    tries: _Tries,
    allowed_people: tuple[str, ...],
    *,
    fresh: bool,
) -> WrittenPersona | None:
    """The persona, or None with the reasons in `tries`. PolicyRefused at the second breach."""
    repairs: tuple[str, ...] = ()
    if result["kind"] == "written":
        draft = PersonaDraft.model_validate(result["value"])
    else:
        repaired = repair_raw(str(result["raw"]), avatar.spec)
        if repaired is None:
            tries.reasons = [str(result["reason"])]
            return None
        draft, repairs = repaired, ("schema",)
    fitted = fit(draft, avatar.spec)
    problems = misfits(fitted.persona, avatar.spec)
    broken = breaches(fitted.persona, allowed_people)
    if not problems and not broken:
        broken = _moderated(services, fitted.persona)
    tries.reasons = [*broken, *problems]
    if broken and fresh:
        tries.breaches += 1
        if tries.breaches >= MAX_BREACHES:
            raise PolicyRefused(
                "persona",
                f"the written persona of {avatar.key} breaks the policy: {'; '.join(broken[:5])}.",
                next_step="Change the spec's personality, then `vixen avatar add` it again.",
            )
    if tries.reasons:
        return None
    provider, model = str(result["provider"]), str(result["model"])
    return WrittenPersona(fitted.persona, repairs + fitted.repairs, number, provider, model)


def _moderated(services: Services, persona: Persona) -> list[str]:
    """What the moderation model objects to. Raises when it cannot tell: that is never a pass."""
    text = "\n".join(text for _, text, _ in persona_texts(persona))
    with services.slots.hold(SLOT):
        reasons = moderate_texts(services.moderator, [text])
    return [f"moderation: {reason}" for reason in reasons if reason is not None]
