"""What may become a piece, and in which state. Belongs here: the last gate, as pure functions.

Does not: moderating (each stage asked for its own product), rows. The gate fails closed: a missing
verdict on prompt, image or words is an error, never a pass; limits are those in force now, so what
passed last month may be refused today.

States by policy (`content_review`): `auto` approves what passes every check and leaves to a person
what today's thresholds would not accept again; `manual` leaves everything to a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from vixen_pipeline.content.piece_rows import ShotState
from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import ContentCopy, RenderedImage
from vixen_pipeline.errors import StageFailed
from vixen_pipeline.pictures.quality import Thresholds, moderation_of, verdict
from vixen_pipeline.safety.disclosure import disclosure_problem
from vixen_pipeline.safety.disclosure_texts import disclosure_text
from vixen_pipeline.safety.moderation import refusal_reason
from vixen_pipeline.safety.policy import Door, check_text
from vixen_pipeline.safety.tiers import judge_tier

if TYPE_CHECKING:
    from vixen_pipeline.pictures.quality import Measured

STAGE = "content_pieces"
State = Literal["pending_review", "auto_approved"]


@dataclass(frozen=True, slots=True)
class Admitted:
    """The still may be made: its access tier, its state, what is said about AI per platform."""

    tier: str
    tier_reason: str | None
    state: State
    state_reason: str | None
    disclosure: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refused:
    """A part of it may not be published: it goes back to its stage, which makes another."""

    part: Literal["image", "copy"]
    id: int
    reason: str


def judge(shot: ShotState, *, review: str, scorer: str) -> Admitted | Refused:
    """The gate for one shot that has its image and its words.

    Raises StageFailed (to be tried again) when a verdict is missing or the prompt is refused now.
    """
    image = shot.image
    if image is None or shot.lacks_copy:
        raise ValueError(f"shot {shot.id} is not ready")
    _judge_prompt(shot)
    refusal = _moderated(image.moderation, f"image {image.id}")
    if refusal is not None:
        return Refused("image", image.id, f"moderation: {refusal}")
    copies = [shot.copies[platform] for platform in shot.plan.platforms]
    for copy in copies:
        refusal = _refused_words(copy)
        if refusal is not None:
            return Refused("copy", copy.id, refusal)
    tier = judge_tier(shot.tier, [_scores(each.moderation) for each in (image, *copies)])
    doubts = [
        *(f"image {image.id}: {why}" for why in _doubts(image, scorer)),
        *(f"moderation: {name} was not measured" for name in tier.unmeasured),
    ]
    return Admitted(
        tier.tier,
        tier.reason,
        *_state(review, doubts),
        {copy.platform: disclosure_text(copy.platform, copy.language) for copy in copies},
    )


def _state(review: str, doubts: list[str]) -> tuple[State, str | None]:
    if review != "auto":
        return "pending_review", "a person decides (VIXEN_CONTENT_REVIEW)"
    if doubts:
        return "pending_review", "; ".join(doubts)
    return "auto_approved", "passed every check"


def _doubts(image: RenderedImage, scorer: str) -> list[str]:
    return verdict(cast("Measured", image), Thresholds(), scorer=scorer)


def _judge_prompt(shot: ShotState) -> None:
    refusal = _moderated(shot.moderation, f"the prompt of shot {shot.id}")
    refusal = (
        refusal or "; ".join(each.rule for each in check_text(shot.prompt, Door.PROMPT)) or None
    )
    if refusal is not None:
        raise StageFailed(
            STAGE,
            f"shot {shot.position} was made from a prompt that is refused today: {refusal}",
            next_step="`vixen content plan KEY --end NUMBER` closes its plan with what it has.",
        )


def _refused_words(copy: ContentCopy) -> str | None:
    """Why these words may not be published, or None."""
    refusal = _moderated(copy.moderation, f"the {copy.platform} caption {copy.id}")
    if refusal is not None:
        return f"moderation: {refusal}"
    undisclosed = disclosure_problem(copy.caption or "")
    return None if undisclosed is None else f"disclosure: the caption {undisclosed}"


def _moderated(stored: Json | None, what: str) -> str | None:
    stored = stored or {}
    if not isinstance(stored.get("flagged"), bool) or not stored.get("scores"):
        raise StageFailed(
            STAGE,
            f"{what} has no moderation verdict; nothing unmoderated becomes a piece",
            permanent=False,
        )
    return refusal_reason(moderation_of(stored))


def _scores(stored: Json | None) -> Mapping[str, float]:
    return moderation_of(stored or {}).scores
