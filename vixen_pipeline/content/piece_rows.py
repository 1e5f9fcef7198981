"""Rows of stills. Belongs here: what open plans still need, writing pieces, closing plans.

Does not: judging (piece_gate.py), files (piece_making.py), composed pieces (format_rows.py), what
is told about a plan (piece_facts.py). Only open plans are read, so nothing grows with an avatar's
history; everything is read for all avatars at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import (
    ContentCopy,
    ContentPiece,
    ContentPlan,
    ContentShot,
    EffectRow,
    PieceFile,
    RenderedImage,
)


@dataclass
class ShotState:
    """One shot of an open plan and what exists of it: image, words by platform, piece."""

    id: int
    plan: ContentPlan
    position: int
    scene: int
    tier: str
    template: str
    choices: Json
    prompt: str
    negative_prompt: str
    seed: int
    moderation: Json
    image: RenderedImage | None = None
    piece_id: int | None = None
    copies: dict[str, ContentCopy] = field(default_factory=dict[str, ContentCopy])

    @property
    def lacks_copy(self) -> bool:
        return any(platform not in self.copies for platform in self.plan.platforms)


@dataclass(frozen=True, slots=True)
class ShotCosts:
    """USD spent for a shot: all its images and all its words, less what its earlier pieces bear."""

    images: Decimal = Decimal(0)
    copies: Decimal = Decimal(0)
    borne: Decimal = Decimal(0)

    @property
    def left(self) -> Decimal:
        return max(Decimal(0), self.images + self.copies - self.borne)


def open_plans(session: Session, avatar_ids: Sequence[int]) -> list[ContentPlan]:
    """Plans of these avatars that are not complete, in the order they were asked for."""
    return list(
        session.scalars(
            select(ContentPlan)
            .where(ContentPlan.avatar_id.in_(avatar_ids), ContentPlan.completed_at.is_(None))
            .order_by(ContentPlan.avatar_id, ContentPlan.number)
        )
    )


def last_completed(session: Session, avatar_ids: Sequence[int]) -> dict[int, int]:
    """The id of each avatar's newest completed plan."""
    rows = session.execute(
        select(ContentPlan.avatar_id, ContentPlan.id)
        .ext(distinct_on(ContentPlan.avatar_id))
        .where(ContentPlan.avatar_id.in_(avatar_ids), ContentPlan.completed_at.is_not(None))
        .order_by(ContentPlan.avatar_id, ContentPlan.number.desc())
    )
    return {row[0]: row[1] for row in rows}


def load_shots(session: Session, plans: Sequence[ContentPlan]) -> list[ShotState]:
    """All shots of `plans`, in order, with what exists of each. Embeddings stay where they are."""
    by_id = {plan.id: plan for plan in plans}
    rows = session.execute(
        select(
            ContentShot.id,
            ContentShot.plan_id,
            ContentShot.position,
            ContentShot.scene,
            ContentShot.tier,
            ContentShot.template,
            ContentShot.choices,
            ContentShot.prompt,
            ContentShot.negative_prompt,
            ContentShot.seed,
            ContentShot.moderation,
            RenderedImage,
            ContentPiece.id,
        )
        .outerjoin(
            RenderedImage, (RenderedImage.shot_id == ContentShot.id) & RenderedImage.selected
        )
        .outerjoin(ContentPiece, ContentPiece.image_id == RenderedImage.id)
        .where(ContentShot.plan_id.in_(by_id))
        .order_by(ContentShot.plan_id, ContentShot.position)
    )
    shots = [ShotState(row[0], by_id[row[1]], *row[2:]) for row in rows]
    by_shot = {shot.id: shot for shot in shots}
    copies = session.scalars(
        select(ContentCopy)
        .join(ContentShot, ContentShot.id == ContentCopy.shot_id)
        .where(ContentShot.plan_id.in_(by_id), ContentCopy.chosen)
    )
    for copy in copies:
        by_shot[copy.shot_id].copies[copy.platform] = copy
    return shots


def shot_costs(session: Session, shot_ids: Sequence[int]) -> dict[int, ShotCosts]:
    """What each shot has cost. Images that were not taken and words not chosen count too."""

    images, copies, borne = (
        _sums(session, table, shot_ids) for table in (RenderedImage, ContentCopy, ContentPiece)
    )
    nothing = Decimal(0)
    return {
        shot_id: ShotCosts(
            images.get(shot_id, nothing), copies.get(shot_id, nothing), borne.get(shot_id, nothing)
        )
        for shot_id in shot_ids
    }


def _sums(
    session: Session,
    table: type[RenderedImage] | type[ContentCopy] | type[ContentPiece],
    shot_ids: Sequence[int],
) -> dict[int | None, Decimal]:
    rows = session.execute(
        select(table.shot_id, func.coalesce(func.sum(table.usd), Decimal(0)))
        .where(table.shot_id.in_(shot_ids))
        .group_by(table.shot_id)
    )
    return {row[0]: row[1] or Decimal(0) for row in rows}


def model_digests(session: Session, effect_ids: Sequence[int]) -> dict[int, str]:
    """The digest of the base model that each inference call stated."""
    rows = session.execute(
        select(EffectRow.id, EffectRow.result["model_digest"].as_string()).where(
            EffectRow.id.in_(effect_ids)
        )
    )
    return {row[0]: row[1] for row in rows if row[1] is not None}


def insert_piece(session: Session, piece: Json, files: Sequence[Json], now: datetime) -> bool:
    """Write a still with its files, once; whether it was new. What it replaces is marked so.

    Nothing is written when its image was taken out meanwhile (a review is quicker than a file).
    """
    taken = session.scalar(
        select(RenderedImage.selected)
        .where(RenderedImage.id == piece["image_id"])
        .with_for_update(read=True)
    )
    if not taken:
        return False
    piece_id = session.scalars(
        insert(ContentPiece).values(piece).on_conflict_do_nothing().returning(ContentPiece.id)
    ).one_or_none()
    if piece_id is None:
        return False
    session.execute(insert(PieceFile), [{**file, "piece_id": piece_id} for file in files])
    session.execute(
        update(ContentPiece)
        .where(
            ContentPiece.shot_id == piece["shot_id"],
            ContentPiece.id != piece_id,
            ContentPiece.replaced_at.is_(None),
        )
        .values(replaced_at=now)
    )
    return True


def take_back(session: Session, part: Literal["image", "copy"], id_: int, reason: str) -> None:
    """The image no longer fills its shot, or the words are no longer its: another is made."""
    if part == "image":
        statement = update(RenderedImage).where(RenderedImage.id == id_)
        session.execute(statement.values(selected=False, refusal=reason))
        return
    statement = update(ContentCopy).where(ContentCopy.id == id_)
    session.execute(statement.values(chosen=False, outcome="unfit", reason=reason))


_UNFILLED = text(
    """
    SELECT count(*) FROM vixen.content_shots s
    WHERE s.plan_id = :plan AND NOT EXISTS (
      SELECT FROM vixen.rendered_images r JOIN vixen.content_pieces c ON c.image_id = r.id
      WHERE r.shot_id = s.id AND r.selected)
    """
)
# As compose counts them.
_COMPOSED = text(
    """
    SELECT count(*) FROM vixen.content_pieces c
    WHERE c.plan_id = :plan AND c.format <> 'still'
      AND c.replaced_at IS NULL AND c.state <> 'rejected'
    """
)


def complete_plan(
    session: Session, plan_id: int, sheet_key: str | None, now: datetime, composed: int
) -> bool:
    """Close a plan of which every shot has its piece and that still has the `composed` pieces that
    were there when it was composed; False when a review has asked for a replacement meanwhile.

    The plan's row is locked: who takes a piece out of a plan locks it too (review.py).
    """
    session.execute(
        select(ContentPlan.id).where(ContentPlan.id == plan_id).with_for_update(key_share=True)
    )
    if session.execute(_UNFILLED, {"plan": plan_id}).scalar_one():
        return False
    if session.execute(_COMPOSED, {"plan": plan_id}).scalar_one() < composed:
        return False
    session.execute(
        update(ContentPlan)
        .where(ContentPlan.id == plan_id)
        .values(completed_at=now, contact_sheet_key=sheet_key)
    )
    return True
