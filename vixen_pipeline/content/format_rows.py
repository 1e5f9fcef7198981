"""Rows of composed pieces. Belongs here: reading the stills of open plans, writing what was made.

Does not: choosing (format_choice.py), files. Everything is read for all plans at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from vixen_pipeline.clock import Clock
from vixen_pipeline.content.format_choice import FORMATS, Choice, Still
from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import (
    ContentPiece,
    ContentPlan,
    ContentShot,
    PieceFile,
    PieceMember,
)

MEMBER_REJECTED = "a member was rejected"
APPROVED = frozenset({"approved", "auto_approved"})


@dataclass
class OpenPlan:
    """A plan, its stills that may be shown, and what was composed of them before.

    `made` are the member ids per format, `refused` those of composed pieces that a person rejected
    (they are not composed again), `keys` all that were ever given, `dropped` the stills that a
    person rejected and wants no others for.
    """

    id: int
    avatar_id: int
    seed: int
    formats: dict[str, int]
    stills: list[Still] = field(default_factory=list[Still])
    made: dict[str, list[frozenset[int]]] = field(
        default_factory=lambda: defaultdict[str, list[frozenset[int]]](list)
    )
    refused: dict[str, list[frozenset[int]]] = field(
        default_factory=lambda: defaultdict[str, list[frozenset[int]]](list)
    )
    keys: set[str] = field(default_factory=set[str])
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Composite:
    """One composed piece ready to be written; `file` is its own file, where it has one."""

    plan: OpenPlan
    choice: Choice
    key: str
    state: str
    lineage: Json
    usd: Decimal
    file: Json | None = None


def load_plans(session: Session, plan_ids: Sequence[int], clock: Clock) -> list[OpenPlan]:
    """The plans in the order of their ids, after putting aside what lost a member."""
    _withdraw(session, plan_ids, clock)
    rows = session.execute(
        select(ContentPlan.id, ContentPlan.avatar_id, ContentPlan.seed, ContentPlan.formats)
        .where(ContentPlan.id.in_(plan_ids))
        .order_by(ContentPlan.id)
    )
    plans = {
        row[0]: OpenPlan(row[0], row[1], row[2], {f: int(row[3].get(f, 0)) for f in FORMATS})
        for row in rows
    }
    _load_stills(session, plans)
    _load_made(session, plans)
    return list(plans.values())


def _withdraw(session: Session, plan_ids: Sequence[int], clock: Clock) -> None:
    """Composed pieces with a rejected member are rejected: others take their place."""
    member = ContentPiece.__table__.alias("member")
    broken = (
        select(PieceMember.piece_id)
        .join(member, member.c.id == PieceMember.member_id)
        .where(member.c.plan_id.in_(plan_ids), member.c.state == "rejected")
    )
    session.execute(
        update(ContentPiece)
        .where(
            ContentPiece.plan_id.in_(plan_ids),
            ContentPiece.format.in_(FORMATS),
            ContentPiece.state != "rejected",
            ContentPiece.id.in_(broken),
        )
        .values(state="rejected", state_reason=MEMBER_REJECTED, replaced_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def _load_stills(session: Session, plans: Mapping[int, OpenPlan]) -> None:
    rows = session.execute(
        select(
            ContentPiece.plan_id,
            ContentPiece.id,
            ContentShot.id,
            ContentShot.position,
            ContentShot.scene,
            ContentPiece.tier,
            ContentPiece.state,
        )
        .join(ContentShot, ContentShot.id == ContentPiece.shot_id)
        .where(
            ContentPiece.plan_id.in_(plans),
            ContentPiece.format == "still",
            ContentPiece.replaced_at.is_(None),
        )
        .order_by(ContentShot.position)
    )
    for row in rows:
        still = Still(*row[1:])
        if still.state == "rejected":
            plans[row[0]].dropped += 1
        else:
            plans[row[0]].stills.append(still)


def _load_made(session: Session, plans: Mapping[int, OpenPlan]) -> None:
    rows = session.execute(
        select(
            ContentPiece.plan_id,
            ContentPiece.format,
            ContentPiece.key,
            ContentPiece.state,
            ContentPiece.state_reason,
            func.array_agg(PieceMember.member_id),
        )
        .join(PieceMember, PieceMember.piece_id == ContentPiece.id)
        .where(ContentPiece.plan_id.in_(plans), ContentPiece.format.in_(FORMATS))
        .group_by(ContentPiece.id)
    )
    for plan_id, format, key, state, reason, members in rows:
        plans[plan_id].keys.add(key)
        if state != "rejected":
            plans[plan_id].made[format].append(frozenset(members))
        elif reason != MEMBER_REJECTED:
            plans[plan_id].refused[format].append(frozenset(members))


def file_keys(session: Session, piece_ids: Sequence[int], name: str) -> dict[int, str]:
    """Object keys of the file `name` of these pieces."""
    rows = session.execute(
        select(PieceFile.piece_id, PieceFile.object_key).where(
            PieceFile.piece_id.in_(piece_ids), PieceFile.name == name
        )
    )
    return {row[0]: row[1] for row in rows}


def disclosures(session: Session, piece_ids: Sequence[int]) -> dict[int, Json]:
    """What each of these pieces says about being AI."""
    rows = session.execute(
        select(ContentPiece.id, ContentPiece.disclosure).where(ContentPiece.id.in_(piece_ids))
    )
    return {row[0]: row[1] for row in rows}


def save(session: Session, composites: Sequence[Composite], run_id: str | None) -> int:
    """Write pieces, members and files of these; how many were new. A repeated key is no error.

    A member that was rejected meanwhile keeps its composed piece from being written.
    """
    if not composites:
        return 0
    leads = [composite.choice.members[0].piece_id for composite in composites]
    members = sorted({still.piece_id for c in composites for still in c.choice.members})
    usable = set(
        session.scalars(
            select(ContentPiece.id)
            .where(ContentPiece.id.in_(members), ContentPiece.state != "rejected")
            .order_by(ContentPiece.id)
            .with_for_update(read=True)
        )
    )
    said = disclosures(session, leads)
    written = 0
    for composite in composites:
        if composite.choice.ids <= usable:
            written += _save(session, composite, said[composite.choice.members[0].piece_id], run_id)
    return written


def _save(session: Session, composite: Composite, disclosure: Json, run_id: str | None) -> int:
    choice = composite.choice
    piece_id = session.scalars(
        insert(ContentPiece)
        .values(
            avatar_id=composite.plan.avatar_id,
            plan_id=composite.plan.id,
            key=composite.key,
            format=choice.format,
            declared_tier=choice.tier,
            tier=choice.tier,
            tier_reason=f"the narrowest of its {len(choice.members)} members'",
            state=composite.state,
            disclosure=disclosure,
            lineage=composite.lineage,
            usd=composite.usd,
            run_id=run_id,
        )
        .on_conflict_do_nothing()
        .returning(ContentPiece.id)
    ).one_or_none()
    if piece_id is None:
        return 0
    session.execute(
        insert(PieceMember),
        [
            {"piece_id": piece_id, "position": position, "member_id": still.piece_id}
            for position, still in enumerate(choice.members)
        ],
    )
    if composite.file is not None:
        session.execute(insert(PieceFile).values(piece_id=piece_id, **composite.file))
    return 1
