"""The stage `personas`: who each avatar is, written, judged, embedded, compared.

Belongs here: the stage over many avatars. Does not: having one written (persona_writing), judging
(persona_judge), queries (persona_store). Personas are written concurrently and embedded in one
call per `CHUNK`; an avatar that fails is named and leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING

from vixen_pipeline.costs import PaidCall
from vixen_pipeline.errors import BudgetExceeded, Permanent, Unavailable, VixenError
from vixen_pipeline.identity.digests import digest
from vixen_pipeline.identity.persona_judge import breaches, misfits
from vixen_pipeline.identity.persona_model import embedding_text
from vixen_pipeline.identity.persona_store import (
    NEAR_DUPLICATE,
    Neighbour,
    NewPersona,
    StoredPersona,
    load_personas,
    nearest,
    save_personas,
)
from vixen_pipeline.identity.persona_writing import SLOT, STAGE, WrittenPersona, write_persona
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.spec_consents import consents_on_record
from vixen_pipeline.identity.stage_run import StageRun, run_stage
from vixen_pipeline.money import largest_remainder
from vixen_pipeline.providers.ports import Usage
from vixen_pipeline.stages import (
    Check,
    Meta,
    Outcome,
    Progress,
    StageProgress,
    StageResult,
)

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

CHUNK = 64
PROVIDER, MODEL = "openai", "text-embedding-3-small"
"""What the embedding is expected to cost; what is booked is what the provider counted."""
FITS_SPEC, POLICY, DISTINCT = "persona_fits_spec", "persona_policy", "persona_distinct"


def run_personas(services: Services, keys: Sequence[str], progress: Progress) -> list[StageResult]:
    """Write the missing personas of `keys`; one result per key, in their order."""

    def body(run: StageRun) -> None:
        with services.database.begin() as session:
            people = consents_on_record(session)
            present = load_personas(session, run.avatars)
        _report(run, [a for a in run.avatars if a.id in present], "unchanged", people)
        missing = run.refuse_failed(run.still_open(run.avatars))
        for start in range(0, len(missing), CHUNK):
            _make(run, missing[start : start + CHUNK], people, progress)

    return run_stage(services, STAGE, keys, body)


def _make(
    run: StageRun, avatars: Sequence[AvatarRef], people: Mapping[str, str], progress: Progress
) -> None:
    written = _write_all(run, avatars, people, progress)
    if not written:
        return
    try:
        with ExitStack() as money:
            written = _affordable(run, written, money)
            embeddings = _embed(run.services, written) if written else []
    except Unavailable:
        raise  # ours, and down for everybody
    except VixenError as error:
        # The written answers are kept in their effects: the next run only embeds.
        run.fail_all([avatar for avatar, _ in written], error)
        return
    if not written:
        return
    new = [
        NewPersona(avatar, made.persona, made.provider, made.model, embedding)
        for (avatar, made), embedding in zip(written, embeddings, strict=True)
    ]
    with run.services.database.begin() as session:
        save_personas(session, new, run.services.embedder.model, run.services.clock.now())
    made = {avatar.id: made for avatar, made in written}
    _report(run, [avatar for avatar, _ in written], "made", people, made)


def _write_all(
    run: StageRun, avatars: Sequence[AvatarRef], people: Mapping[str, str], progress: Progress
) -> list[tuple[AvatarRef, WrittenPersona]]:
    """The personas that could be written, in the order of `avatars`; failures are results."""
    services = run.services
    workers = max(1, min(len(avatars), services.settings.text_concurrency))
    written: dict[int, WrittenPersona] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="persona") as pool:
        futures: dict[Future[WrittenPersona], AvatarRef] = {
            pool.submit(write_persona, services, avatar, _allowed(avatar, people)): avatar
            for avatar in avatars
        }
        try:
            for future in as_completed(futures):
                avatar = futures[future]
                try:
                    written[avatar.id] = future.result()
                except Unavailable:
                    raise
                except VixenError as error:
                    run.fail(avatar, error)
                progress(StageProgress(STAGE, avatar.key, 1, 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return [(avatar, written[avatar.id]) for avatar in avatars if avatar.id in written]


def _allowed(avatar: AvatarRef, people: Mapping[str, str]) -> tuple[str, ...]:
    """Whose likeness the avatar may have."""
    likeness = avatar.spec.likeness
    person = people.get(likeness.consent) if likeness is not None else None
    return (person,) if person is not None else ()


def _affordable(
    run: StageRun, written: Sequence[tuple[AvatarRef, WrittenPersona]], money: ExitStack
) -> list[tuple[AvatarRef, WrittenPersona]]:
    """Those whose share of the call their budgets allow, set aside until `money` is closed."""
    services, allowed = run.services, list[tuple[AvatarRef, WrittenPersona]]()
    for avatar, made in written:
        text = embedding_text(made.persona)
        # No token is shorter than a byte: never less than what will be booked.
        most = Usage(PROVIDER, f"{MODEL}:input", Decimal(len(text.encode())))
        key = _cost_key(services, avatar, text, 0)
        try:
            money.enter_context(
                services.costs.reserved(avatar.id, key, services.costs.quote([most]))
            )
        except BudgetExceeded as error:
            run.fail(avatar, error)
        else:
            allowed.append((avatar, made))
    return allowed


def _cost_key(services: Services, avatar: AvatarRef, text: str, number: int) -> str:
    """Of the share of one avatar in a call, its reservation and its entry."""
    return f"persona-embedding:{avatar.id}:{digest([text, services.embedder.model])}:{number}"


def _embed(
    services: Services, written: Sequence[tuple[AvatarRef, WrittenPersona]]
) -> list[list[float]]:
    """One vector per persona in one call, its cost shared out by length.

    Not an effect, because asking again is harmless: a process killed between the answer and its
    entries pays for the same texts once more, and the first call is in no entry. That is at most
    one call of `CHUNK` personas, less than a tenth of a cent; the next run books its own call.
    """
    texts = [embedding_text(made.persona) for _, made in written]
    with services.slots.hold(SLOT):
        vectors, usage = services.embedder.embed(texts)
    if len(vectors) != len(texts):
        raise Permanent("embeddings", f"{len(texts)} texts sent, {len(vectors)} vectors received")
    lengths = [len(text) for text in texts]
    calls: list[PaidCall] = []
    for number, one in enumerate(usage):
        shares = largest_remainder(int(one.units), lengths)
        for (avatar, _), text, share in zip(written, texts, shares, strict=True):
            key = _cost_key(services, avatar, text, number)
            part = Usage(one.provider, one.sku, Decimal(share))
            calls.append(PaidCall(key, avatar.id, None, STAGE, (part,)))
    services.costs.record(calls)
    return vectors


def _report(
    run: StageRun,
    avatars: Sequence[AvatarRef],
    outcome: Outcome,
    people: Mapping[str, str],
    made: Mapping[int, WrittenPersona] | None = None,
) -> None:
    """Judge what is kept as of now, and give each avatar its result."""
    if not avatars:
        return
    with run.services.database.begin() as session:
        stored = load_personas(session, avatars)
        neighbours = nearest(session, [avatar.id for avatar in avatars])
    for avatar in avatars:
        kept = stored[avatar.id]
        neighbour = neighbours.get(avatar.id)
        checks = _checks(avatar, kept, neighbour, _allowed(avatar, people))
        metadata = _metadata(run, avatar, kept, neighbour, (made or {}).get(avatar.id))
        run.complete(avatar, outcome, metadata, checks)


def _checks(
    avatar: AvatarRef, kept: StoredPersona, neighbour: Neighbour | None, allowed: tuple[str, ...]
) -> list[Check]:
    wrong = misfits(kept.persona, avatar.spec)
    broken = breaches(kept.persona, allowed)
    if neighbour is None:
        likeness = "There is no other persona to compare with."
    else:
        what = "a near-duplicate of" if neighbour.near_duplicate else "nearest to"
        likeness = f"The persona is {what} {neighbour.key} (similarity {neighbour.similarity:.3f})."
    return [
        Check(
            FITS_SPEC, not wrong, "; ".join(wrong) or "Name, age, place and limits fit the spec."
        ),
        Check(POLICY, not broken, "; ".join(broken) or "No wording breaks the avatar policy."),
        Check(
            DISTINCT,
            neighbour is None or not neighbour.near_duplicate,
            likeness,
            blocking=False,
            metadata={
                "neighbour": Meta("text", neighbour.key if neighbour else "none"),
                "similarity": Meta("float", neighbour.similarity if neighbour else None),
                "threshold": Meta("float", NEAR_DUPLICATE),
            },
        ),
    ]


def _metadata(
    run: StageRun,
    avatar: AvatarRef,
    kept: StoredPersona,
    neighbour: Neighbour | None,
    made: WrittenPersona | None,
) -> dict[str, Meta]:
    persona = kept.persona
    return {
        "biography": Meta("markdown", persona.biography),
        "traits": Meta("json", list(persona.traits)),
        "tone": Meta("text", persona.tone),
        "model": Meta("text", f"{kept.provider} {kept.model}"),
        "embedding_model": Meta("text", kept.embedding_model),
        "neighbour": Meta("text", neighbour.key if neighbour else "none"),
        "similarity": Meta("float", neighbour.similarity if neighbour else None),
        "tries": Meta("int", made.tries if made else 0),
        "repairs": Meta("json", list(made.repairs) if made else []),
        "usd": Meta("usd", run.stage_cost(avatar)),
        "created_at": Meta("timestamp", kept.created_at),
    }
