"""A person decides on pieces. Belongs here: approving, rejecting, asking for replacements.

Does not: listing (listing.py), the policy that approves by itself (piece_gate.py), making
replacements: a rejected still that is to be replaced gives its shot back to the images stage, and
its plan is open again. All decisions of one call are one transaction; a problem of one is named
with all others and nothing is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from vixen_pipeline.content.format_rows import MEMBER_REJECTED
from vixen_pipeline.db.models import ContentPiece, ContentPlan, PieceMember, RenderedImage
from vixen_pipeline.errors import InvalidInput
from vixen_pipeline.identity.registry import avatar_ref

if TYPE_CHECKING:
    from datetime import datetime

    from vixen_pipeline.services import Services

APPROVED = ("approved", "auto_approved")


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a person decided, by piece id. `replace`: make another for each rejected one."""

    approve: Sequence[int] = ()
    reject: Sequence[int] = ()
    reason: str | None = None
    replace: bool = False


@dataclass(frozen=True, slots=True)
class ReviewedPiece:
    """One piece as it is after the review. `because`: it lost a member, nobody named it."""

    piece_id: int
    key: str
    format: str
    state: str
    reason: str | None
    because: bool = False


def review(
    services: Services, avatar_key: str, decisions: Decisions, *, by: str
) -> list[ReviewedPiece]:
    """Decide on pieces of one avatar; those that changed, composed ones that fell with them too.

    Raises NotFound for the avatar, InvalidInput that names every id that cannot be decided on.
    """
    avatar = avatar_ref(services, avatar_key)
    now = services.clock.now()
    named = [*decisions.approve, *decisions.reject]
    with services.database.begin() as session:
        pieces = _lock(session, avatar.id, named)
        problems = _problems(session, decisions, pieces)
        if problems:
            raise InvalidInput(
                f"review of {avatar_key}",
                problems,
                next_step=f"`vixen content list {avatar_key}` shows the ids; nothing was changed.",
            )
        for piece_id in decisions.approve:
            _decide(pieces[piece_id], "approved", decisions.reason, by, now)
        for piece_id in decisions.reject:
            _decide(pieces[piece_id], "rejected", decisions.reason, by, now)
        session.flush()
        fallen = _withdraw(session, decisions, by, now)
        if decisions.replace:
            _reopen(session, [pieces[piece_id] for piece_id in decisions.reject], decisions, now)
        named_pieces = [pieces[piece_id] for piece_id in dict.fromkeys(named)]
        return [*map(_told, named_pieces), *(_told(piece, because=True) for piece in fallen)]


def pending_ids(services: Services, avatar_key: str) -> list[int]:
    """The pieces that wait for a person, stills before what is composed of them."""
    avatar = avatar_ref(services, avatar_key)
    with services.database.begin() as session:
        return list(
            session.scalars(
                select(ContentPiece.id)
                .where(
                    ContentPiece.avatar_id == avatar.id,
                    ContentPiece.state == "pending_review",
                    ContentPiece.replaced_at.is_(None),
                )
                .order_by(ContentPiece.format != "still", ContentPiece.id)
            )
        )


def _lock(session: Session, avatar_id: int, ids: Sequence[int]) -> dict[int, ContentPiece]:
    """The pieces, locked after their plans: the stage closes a plan under the same lock."""
    mine = (ContentPiece.avatar_id == avatar_id, ContentPiece.id.in_(ids))
    plans = session.scalars(select(ContentPiece.plan_id).where(*mine)).all()
    session.execute(
        select(ContentPlan.id)
        .where(ContentPlan.id.in_(plans))
        .order_by(ContentPlan.id)
        .with_for_update(key_share=True)
    )
    pieces = session.scalars(
        select(ContentPiece)
        .where(*mine)
        .order_by(ContentPiece.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {piece.id: piece for piece in pieces}


def _problems(
    session: Session, decisions: Decisions, pieces: Mapping[int, ContentPiece]
) -> list[str]:
    both = set(decisions.approve) & set(decisions.reject)
    problems = [f"{piece_id}: both approved and rejected" for piece_id in sorted(both)]
    if not decisions.approve and not decisions.reject:
        problems.append("no piece is named")
    if decisions.reject and not (decisions.reason or "").strip():
        problems.append("a rejection needs a reason")
    if decisions.replace and not decisions.reject:
        problems.append("only rejected pieces are replaced, and none is rejected")
    for piece_id in dict.fromkeys((*decisions.approve, *decisions.reject)):
        piece = pieces.get(piece_id)
        if piece is None:
            problems.append(f"{piece_id}: the avatar has no such piece")
        elif piece.replaced_at is not None:
            problems.append(f"{piece_id}: it was replaced already")
    for piece_id in decisions.approve:
        piece = pieces.get(piece_id)
        if piece is not None and piece_id not in both:
            problems += _not_approvable(session, piece, set(decisions.approve))
    return problems


def _not_approvable(session: Session, piece: ContentPiece, approved_now: set[int]) -> list[str]:
    """A still whose image was given back, a composed piece with a member nobody approved."""
    if piece.image_id is not None:
        image = session.get_one(RenderedImage, piece.image_id)
        if image.selected:
            return []
        return [f"{piece.id}: another image is being made in its place"]
    members = session.execute(
        select(ContentPiece.id, ContentPiece.state)
        .join(PieceMember, PieceMember.member_id == ContentPiece.id)
        .where(PieceMember.piece_id == piece.id)
    )
    open_ = [
        str(row[0]) for row in members if row[1] not in APPROVED and row[0] not in approved_now
    ]
    if not open_:
        return []
    return [f"{piece.id}: its members {', '.join(open_)} are not approved"]


def _decide(piece: ContentPiece, state: str, reason: str | None, by: str, now: datetime) -> None:
    piece.state = state
    piece.state_reason = reason
    piece.reviewed_by = by
    piece.reviewed_at = now


def _withdraw(session: Session, decisions: Decisions, by: str, now: datetime) -> list[ContentPiece]:
    """Reject what is composed of rejected stills. Read after those were changed: who composes
    holds a lock on the members until the composed piece is there."""
    ids = select(PieceMember.piece_id).where(PieceMember.member_id.in_(decisions.reject))
    composed = session.scalars(
        select(ContentPiece)
        .where(ContentPiece.id.in_(ids), ContentPiece.state != "rejected")
        .order_by(ContentPiece.id)
        .with_for_update(key_share=True)
    ).all()
    for piece in composed:
        _decide(piece, "rejected", MEMBER_REJECTED, by, now)
        if decisions.replace:
            piece.replaced_at = now
    return list(composed)


def _reopen(
    session: Session, rejected: Sequence[ContentPiece], decisions: Decisions, now: datetime
) -> None:
    """Give the shots back to the images stage; composed pieces are composed anew."""
    images = [piece.image_id for piece in rejected if piece.image_id is not None]
    session.execute(
        update(RenderedImage)
        .where(RenderedImage.id.in_(images))
        .values(selected=False, refusal=f"review: {decisions.reason}")
    )
    for piece in rejected:
        if piece.image_id is None:
            piece.replaced_at = now
    session.execute(
        update(ContentPlan)
        .where(ContentPlan.id.in_({piece.plan_id for piece in rejected}))
        .values(completed_at=None)
    )


def _told(piece: ContentPiece, because: bool = False) -> ReviewedPiece:
    return ReviewedPiece(
        piece.id, piece.key, piece.format, piece.state, piece.state_reason, because
    )
