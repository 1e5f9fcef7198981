"""From a kept answer to rows. Belongs here: which part of an answer is whose, each row's share.

Does not: calling, SQL, choosing. An answer is tied to its pieces by number and platform, never by
its order; what was not asked for is left aside, what is missing is a row that says so. Refused,
cut-off and unfit answers are rows of their own, without words.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from vixen_pipeline.content.caption_compose import compose
from vixen_pipeline.content.caption_judge import Voice, problems, scores
from vixen_pipeline.content.copy_call import usage_of
from vixen_pipeline.content.copy_model import Chunk, CopyAnswer, CopyVariant, Place
from vixen_pipeline.content.platforms import Platform, platform_of
from vixen_pipeline.db.base import Json
from vixen_pipeline.effects import Effect
from vixen_pipeline.money import USD_QUANTUM, largest_remainder
from vixen_pipeline.providers.ports import Usage

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

LONGEST_REASON = 500


def rows_of(
    services: Services, chunk: Chunk, effect: Effect, voice: Voice, variants: int
) -> list[Json]:
    """The rows of vixen.content_copies that an answer makes, at least one for each place."""
    result = cast("Json", effect.result)
    if result["kind"] == "written":
        given = _by_place(CopyAnswer.model_validate(result["value"]), chunk)
        rows: list[Json] = []
        for place in chunk.places:
            platform = platform_of(place.platform, services.settings)
            written = given.get((place.shot.id, place.platform), [])[:variants]
            rows += [
                _written(platform, voice, variant, number) | _of(place)
                for number, variant in enumerate(written, start=1)
            ] or [_without_words("unfit", "the answer leaves this piece out") | _of(place)]
    else:
        rows = [
            _without_words(str(result["kind"]), str(result["reason"])) | _of(place)
            for place in chunk.places
        ]
    common: Json = {
        "avatar_id": chunk.avatar.id,
        "round": chunk.round,
        "language": voice.locale,
        "provider": str(result["provider"]),
        "model": str(result["model"]),
        "effect_id": effect.id,
    }
    shares = _shares(services, usage_of(effect), len(rows))
    return [row | common | share for row, share in zip(rows, shares, strict=True)]


def _of(place: Place) -> Json:
    return {"shot_id": place.shot.id, "platform": place.platform}


def _by_place(answer: CopyAnswer, chunk: Chunk) -> dict[tuple[int, str], list[CopyVariant]]:
    """By shot and platform; of a piece or platform that is given twice, the first."""
    shots = dict(enumerate(chunk.shots, start=1))
    found: dict[tuple[int, str], list[CopyVariant]] = {}
    for piece in answer.pieces:
        if (shot := shots.get(piece.number)) is None:
            continue
        for one in piece.platforms:
            found.setdefault((shot.id, one.platform.strip().lower()), one.variants)
    return found


def _written(platform: Platform, voice: Voice, variant: CopyVariant, number: int) -> Json:
    composed = compose(
        platform,
        voice.locale,
        hook=variant.hook,
        body=variant.body,
        call_to_action=variant.call_to_action,
        tags=variant.hashtags,
    )
    if found := problems(composed, platform, voice):
        return _without_words("unfit", "; ".join(found), number)
    return {
        "variant": number,
        "outcome": "written",
        "reason": None,
        "hook": composed.hook,
        "body": composed.body,
        "call_to_action": composed.call_to_action,
        "hashtags": composed.hashtags,
        "caption": composed.caption,
        "title": composed.title,
        "scores": scores(composed, platform, voice, variant.hashtags),
    }


def _without_words(outcome: str, reason: str, number: int = 1) -> Json:
    """Every row names the same columns: they are inserted together."""
    empty: Json = dict.fromkeys(
        ("hook", "body", "call_to_action", "hashtags", "caption", "title", "scores")
    )
    return {"variant": number, "outcome": outcome, "reason": reason[:LONGEST_REASON], **empty}


def _shares(services: Services, usages: Sequence[Usage], count: int) -> list[Json]:
    """Each row's part of the call: USD, prompt tokens, and those of them read from the cache."""
    total = services.costs.quote(usages)
    weights = [1] * count
    usd = largest_remainder(int(total / USD_QUANTUM), weights)
    prompt = largest_remainder(_tokens(usages, "input", "cached_input", "cache_write"), weights)
    cached = largest_remainder(_tokens(usages, "cached_input"), weights)
    return [
        {"usd": Decimal(money) * USD_QUANTUM, "input_tokens": read, "cached_tokens": again}
        for money, read, again in zip(usd, prompt, cached, strict=True)
    ]


def _tokens(usages: Sequence[Usage], *kinds: str) -> int:
    return int(sum((u.units for u in usages if u.sku.rpartition(":")[2] in kinds), Decimal(0)))
