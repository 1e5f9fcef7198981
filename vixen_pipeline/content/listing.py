"""Pieces as people and scripts see them. Belongs here: the list and its filters.

Does not: counts per avatar (status.py), deciding (review.py). Newest first and bounded, so that an
avatar with years of pieces lists as quickly as a new one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import ContentCopy, ContentPiece, ContentPlan, PieceFile, PieceMember
from vixen_pipeline.identity.registry import avatar_ref

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


@dataclass(frozen=True, slots=True)
class PieceFilter:
    """Which pieces are listed. `replaced`: those too that another one stands in for."""

    state: str | None = None
    tier: str | None = None
    format: str | None = None
    replaced: bool = False
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One signed file: `name` is its shape or "video", `sha256` that of the signed bytes."""

    name: str
    object_key: str
    sha256: str
    bytes: int
    width: int
    height: int
    content_type: str
    duration_ms: int | None
    signed_by: str | None


@dataclass(frozen=True, slots=True)
class ListedPiece:
    """One piece. `captions` by platform are the chosen words (a composed piece's are those of its
    first member); a carousel's files are its members'."""

    id: int
    key: str
    plan: int
    format: str
    state: str
    state_reason: str | None
    tier: str
    declared_tier: str
    tier_reason: str | None
    usd: Decimal
    created_at: datetime
    reviewed_by: str | None
    disclosure: Json
    lineage: Json
    files: Sequence[ListedFile] = ()
    members: Sequence[int] = ()
    captions: Mapping[str, str] = field(default_factory=dict[str, str])


def list_pieces(
    services: Services, avatar_key: str, wanted: PieceFilter | None = None
) -> list[ListedPiece]:
    """The avatar's pieces, newest first. Raises NotFound for the avatar."""
    wanted = wanted or PieceFilter()
    avatar = avatar_ref(services, avatar_key)
    query = (
        select(ContentPiece, ContentPlan.number)
        .join(ContentPlan, ContentPlan.id == ContentPiece.plan_id)
        .where(ContentPiece.avatar_id == avatar.id)
        .order_by(ContentPiece.created_at.desc(), ContentPiece.id.desc())
        .limit(wanted.limit)
    )
    for column, value in (
        (ContentPiece.state, wanted.state),
        (ContentPiece.tier, wanted.tier),
        (ContentPiece.format, wanted.format),
    ):
        if value is not None:
            query = query.where(column == value)
    if not wanted.replaced:
        query = query.where(ContentPiece.replaced_at.is_(None))
    with services.database.begin() as session:
        found = session.execute(query).all()
        pieces = [piece for piece, _ in found]
        files = _files(session, [piece.id for piece in pieces])
        members = _members(session, [piece.id for piece in pieces])
        captions = _captions(session, pieces)
    return [
        _listed(piece, number, files[piece.id], members[piece.id], captions.get(_shot_of(piece)))
        for piece, number in found
    ]


def _shot_of(piece: ContentPiece) -> int | None:
    """The shot whose words a piece has."""
    return piece.shot_id if piece.shot_id is not None else piece.lineage.get("copy_shot")


def _files(session: Session, ids: Sequence[int]) -> dict[int, list[ListedFile]]:
    files: dict[int, list[ListedFile]] = defaultdict(list)
    for row in session.scalars(
        select(PieceFile).where(PieceFile.piece_id.in_(ids)).order_by(PieceFile.id)
    ):
        files[row.piece_id].append(
            ListedFile(
                name=row.name,
                object_key=row.object_key,
                sha256=row.sha256,
                bytes=row.bytes,
                width=row.width,
                height=row.height,
                content_type=row.content_type,
                duration_ms=row.duration_ms,
                signed_by=row.credentials.get("signed_by"),
            )
        )
    return files


def _members(session: Session, ids: Sequence[int]) -> dict[int, list[int]]:
    members: dict[int, list[int]] = defaultdict(list)
    rows = session.execute(
        select(PieceMember.piece_id, PieceMember.member_id)
        .where(PieceMember.piece_id.in_(ids))
        .order_by(PieceMember.piece_id, PieceMember.position)
    )
    for piece_id, member_id in rows:
        members[piece_id].append(member_id)
    return members


def _captions(session: Session, pieces: Sequence[ContentPiece]) -> dict[int | None, dict[str, str]]:
    shots = {shot for piece in pieces if (shot := _shot_of(piece)) is not None}
    captions: dict[int | None, dict[str, str]] = defaultdict(dict)
    rows = session.execute(
        select(ContentCopy.shot_id, ContentCopy.platform, ContentCopy.caption).where(
            ContentCopy.shot_id.in_(shots), ContentCopy.chosen
        )
    )
    for shot_id, platform, caption in rows:
        captions[shot_id][platform] = caption or ""
    return captions


def _listed(
    piece: ContentPiece,
    plan: int,
    files: Sequence[ListedFile],
    members: Sequence[int],
    captions: Mapping[str, str] | None,
) -> ListedPiece:
    return ListedPiece(
        id=piece.id,
        key=piece.key,
        plan=plan,
        format=piece.format,
        state=piece.state,
        state_reason=piece.state_reason,
        tier=piece.tier,
        declared_tier=piece.declared_tier,
        tier_reason=piece.tier_reason,
        usd=piece.usd,
        created_at=piece.created_at,
        reviewed_by=piece.reviewed_by,
        disclosure=piece.disclosure,
        lineage=piece.lineage,
        files=files,
        members=members,
        captions=captions or {},
    )
