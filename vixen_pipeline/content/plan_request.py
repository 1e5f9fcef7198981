"""Asking for a plan: what a person wants, or the default. Belongs here: the order and its limits.

Does not: planning it (plan_making.py). The defaults are the settings VIXEN_CONTENT_*
(vixen_pipeline/settings.py), explained in docs/content-templates.md. Campaign notes are data: they
are judged by the policy and the moderator before they are kept, and no model is told to obey them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from vixen_pipeline.content.plan_layout import format_counts, tier_counts
from vixen_pipeline.db.models import Avatar, ContentPlan
from vixen_pipeline.db.models.pieces import TIERS
from vixen_pipeline.errors import InvalidInput, NotFound
from vixen_pipeline.identity.attempts import clear_failure
from vixen_pipeline.identity.prompts import seed_of
from vixen_pipeline.identity.registry import AvatarRef, avatar_ref
from vixen_pipeline.login import login_name
from vixen_pipeline.safety.moderation import require_moderated
from vixen_pipeline.safety.policy import Door, require_text

if TYPE_CHECKING:
    from vixen_pipeline.services import Services
    from vixen_pipeline.settings import Settings

STAGE = "content_plans"
LATER_STAGES = ("content_images", "content_copy", "content_pieces")
"""What a plan may be stuck in; their failures are forgotten when it is ended."""
PLATFORMS = ("instagram", "tiktok")
MOST_SHOTS = 2000
MOST_NOTES = 1000
"""Characters of campaign notes."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What is asked for. `mix` and `formats` are exact counts; see ContentPlan."""

    count: int
    mix: dict[str, int]
    platforms: list[str]
    formats: dict[str, int]
    notes: str | None = None


def read_request(
    settings: Settings,
    *,
    count: int | None = None,
    mix: str | None = None,
    platforms: str | None = None,
    notes: str | None = None,
) -> PlanRequest:
    """The request these words make; what is left out is the setting's.

    `mix` is like `public=60,premium=30,exclusive=10` (shares, of any sum), `platforms` like
    `instagram,tiktok`. Raises InvalidInput that names everything wrong.
    """
    problems: list[str] = []
    wanted = settings.content_pieces if count is None else count
    if not 1 <= wanted <= MOST_SHOTS:
        problems.append(f"count: {wanted} stills; allowed: 1 to {MOST_SHOTS}")
    shares = _shares(settings.content_mix if mix is None else mix, problems)
    named = _platforms(settings.content_platforms if platforms is None else platforms, problems)
    kept = _notes(notes, problems)
    if problems:
        raise InvalidInput("content plan", problems, next_step="Nothing was asked for.")
    return PlanRequest(
        wanted,
        tier_counts(wanted, shares),
        named,
        format_counts(wanted, settings.content_carousels, settings.content_slideshows),
        kept,
    )


def ask_for_plan(
    services: Services,
    key: str,
    *,
    count: int | None = None,
    mix: str | None = None,
    platforms: str | None = None,
    notes: str | None = None,
    requested_by: str | None = None,
) -> int:
    """Ask for one more plan of the avatar `key`; its number, from 1. See `read_request`.

    Raises NotFound, InvalidInput, PolicyRefused (the notes), and what the moderator raises when it
    cannot tell: then nothing was asked for.
    """
    avatar = avatar_ref(services, key)
    request = read_request(
        services.settings, count=count, mix=mix, platforms=platforms, notes=notes
    )
    if request.notes:
        require_text(request.notes, Door.CUSTOM_REQUEST)
        with services.slots.hold("text"):
            require_moderated(services.moderator, [request.notes], "the campaign note")
    with services.database.begin() as session:
        session.execute(select(Avatar.id).where(Avatar.id == avatar.id).with_for_update())
        newest = session.scalar(
            select(func.max(ContentPlan.number)).where(ContentPlan.avatar_id == avatar.id)
        )
        plan = new_plan(avatar, (newest or 0) + 1, request, requested_by or login_name())
        session.add(plan)
        # A person acts: what failed for good before may be tried again.
        clear_failure(session, avatar.id, STAGE)
    return plan.number


def withdraw_plan(services: Services, key: str, number: int) -> None:
    """Forget a plan that was asked for and not planned yet. Raises NotFound otherwise."""
    avatar = avatar_ref(services, key)
    with services.database.begin() as session:
        gone = session.scalar(
            delete(ContentPlan)
            .where(
                ContentPlan.avatar_id == avatar.id,
                ContentPlan.number == number,
                ContentPlan.planned_at.is_(None),
            )
            .returning(ContentPlan.id)
        )
        if gone is None:
            raise NotFound(
                f"{key} has no plan {number} that is still to be planned.",
                next_step=f"`vixen content plan {key} --list` shows its plans.",
            )
        clear_failure(session, avatar.id, STAGE)


def end_plan(services: Services, key: str, number: int) -> None:
    """Close a planned plan with what it has, so that what cannot be made holds up no other plan.

    Its pieces stay. Raises NotFound unless it is planned and open.
    """
    avatar = avatar_ref(services, key)
    with services.database.begin() as session:
        ended = session.scalar(
            update(ContentPlan)
            .where(
                ContentPlan.avatar_id == avatar.id,
                ContentPlan.number == number,
                ContentPlan.planned_at.is_not(None),
                ContentPlan.completed_at.is_(None),
            )
            .values(completed_at=services.clock.now())
            .returning(ContentPlan.id)
        )
        if ended is None:
            raise NotFound(
                f"{key} has no plan {number} that is planned and open.",
                next_step=f"`vixen content plan {key} --list` shows its plans.",
            )
        for stage in LATER_STAGES:
            clear_failure(session, avatar.id, stage)


def ask_for_first_plans(session: Session, settings: Settings, avatars: list[AvatarRef]) -> None:
    """The default plan, for those of `avatars` that have none; nobody else works on them."""
    planned = set(
        session.scalars(
            select(ContentPlan.avatar_id)
            .where(ContentPlan.avatar_id.in_([each.id for each in avatars]))
            .distinct()
        )
    )
    missing = [each for each in avatars if each.id not in planned]
    if missing:
        request = read_request(settings)
        session.add_all([new_plan(each, 1, request, "default") for each in missing])


def new_plan(
    avatar: AvatarRef, number: int, request: PlanRequest, requested_by: str
) -> ContentPlan:
    """The row of a plan; its seed follows from the avatar's and the plan's number."""
    return ContentPlan(
        avatar_id=avatar.id,
        number=number,
        count=request.count,
        mix=request.mix,
        platforms=request.platforms,
        formats=request.formats,
        notes=request.notes,
        seed=seed_of(f"content-plan:{avatar.key}:{avatar.spec.image_seed}:{number}"),
        requested_by=requested_by,
    )


def _shares(text: str, problems: list[str]) -> Mapping[str, int]:
    shares: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        tier, _, share = (word.strip() for word in part.partition("="))
        if tier not in TIERS or not (share.isascii() and share.isdigit()) or len(share) > 6:
            problems.append(f"mix: {part[:40]!r}; allowed: TIER=SHARE with {', '.join(TIERS)}")
        elif tier in shares:
            problems.append(f"mix: {tier} is there twice")
        else:
            shares[tier] = int(share)
    if sum(shares.values()) == 0 and not problems:
        problems.append("mix: no tier has a share; for example public=60,premium=30,exclusive=10")
    return shares if sum(shares.values()) else {"public": 1}


def _platforms(text: str, problems: list[str]) -> list[str]:
    named = list(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))
    unknown = [name for name in named if name not in PLATFORMS]
    if unknown or not named:
        what = ", ".join(unknown)[:60] or "none"
        problems.append(f"platforms: {what}; allowed: {', '.join(PLATFORMS)}")
    return named


def _notes(text: str | None, problems: list[str]) -> str | None:
    """Notes on one line of visible text; a reader must see all that a model would read."""
    if text is None:
        return None
    folded = " ".join(unicodedata.normalize("NFC", text).split())
    hidden = [
        character
        for character in folded
        if unicodedata.category(character)[0] == "C" and character not in "\u200c\u200d"
    ]
    if hidden:
        problems.append(f"notes: hold the invisible character U+{ord(hidden[0]):04X}")
    if len(folded) > MOST_NOTES:
        problems.append(f"notes: {len(folded)} characters; allowed: {MOST_NOTES}")
    return folded or None
