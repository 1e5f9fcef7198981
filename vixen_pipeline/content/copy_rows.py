"""Rows of vixen.content_copies. Belongs here: every query of the copy stage, set-based.

Does not: judging, choosing. Only the plans in question are looked at (open ones, or the newest
where all are complete), so nothing here grows with an avatar's history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from vixen_pipeline.content.copy_model import Caption, CopyBook, Place, Shot
from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import ContentCopy, ContentShot
from vixen_pipeline.identity.registry import AvatarRef

# Open plans that have their shots; where there is none, the newest plan, to report on.
_PLANS = text(
    """
    SELECT plan.id, plan.avatar_id, plan.platforms, plan.notes
    FROM vixen.content_plans AS plan
    WHERE plan.avatar_id = ANY(:avatar_ids) AND plan.planned_at IS NOT NULL
      AND plan.completed_at IS NULL
    UNION ALL
    SELECT newest.id, newest.avatar_id, newest.platforms, newest.notes
    FROM unnest(CAST(:avatar_ids AS bigint[])) AS wanted(avatar_id)
    CROSS JOIN LATERAL (
        SELECT plan.* FROM vixen.content_plans AS plan
        WHERE plan.avatar_id = wanted.avatar_id AND plan.completed_at IS NOT NULL
        ORDER BY plan.number DESC LIMIT 1
    ) AS newest
    WHERE NOT EXISTS (
        SELECT FROM vixen.content_plans AS open
        WHERE open.avatar_id = wanted.avatar_id AND open.completed_at IS NULL
    )
    """
)
_FIGURES = text(
    """
    SELECT shot.avatar_id,
           count(*) FILTER (WHERE copy.outcome = 'written') AS variants,
           count(*) FILTER (WHERE copy.outcome = 'refused') AS refused,
           count(*) FILTER (WHERE copy.outcome = 'cut_off') AS cut_off,
           count(*) FILTER (WHERE copy.chosen) AS captions,
           avg(copy.score) FILTER (WHERE copy.chosen) AS score_mean,
           count(DISTINCT copy.shot_id) AS pieces,
           sum(copy.usd) AS usd,
           sum(copy.input_tokens)::bigint AS input_tokens,
           sum(copy.cached_tokens)::bigint AS cached_tokens,
           string_agg(DISTINCT copy.provider || ' ' || copy.model, ', ') AS models
    FROM vixen.content_shots AS shot
    JOIN vixen.content_copies AS copy ON copy.shot_id = shot.id
    WHERE shot.plan_id = ANY(:plan_ids)
    GROUP BY shot.avatar_id
    """
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What choosing says about one row; `reason` None: nothing speaks against it."""

    id: int
    scores: Json
    score: float
    reason: str | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """What the words of one avatar's plans came to. Tokens and USD include every try."""

    variants: int
    refused: int
    cut_off: int
    captions: int
    score_mean: float | None
    pieces: int
    usd: Decimal
    input_tokens: int | None
    cached_tokens: int | None
    models: str


def load_books(session: Session, avatars: Sequence[AvatarRef]) -> dict[int, CopyBook]:
    """The books of `avatars` by id; those without a planned plan are left out."""
    by_id = {avatar.id: avatar for avatar in avatars}
    books: dict[int, CopyBook] = {}
    platforms: dict[int, tuple[str, ...]] = {}
    for row in session.execute(_PLANS, {"avatar_ids": list(by_id)}).all():
        book = books.setdefault(row.avatar_id, CopyBook(by_id[row.avatar_id]))
        book.notes[row.id] = row.notes
        platforms[row.id] = tuple(row.platforms)
    shots = session.execute(
        select(
            ContentShot.id, ContentShot.avatar_id, ContentShot.plan_id, ContentShot.position,
            ContentShot.tier, ContentShot.template, ContentShot.choices,
        )
        .where(ContentShot.plan_id.in_(platforms))
        .order_by(ContentShot.plan_id, ContentShot.position)
    ).all()  # fmt: skip
    for row in shots:
        books[row.avatar_id].shots[row.id] = Shot(
            row.id, row.plan_id, row.position, row.tier, row.template, row.choices,
            platforms[row.plan_id],
        )  # fmt: skip
    _take_in(session, books, list(platforms))
    return books


def _take_in(session: Session, books: Mapping[int, CopyBook], plan_ids: list[int]) -> None:
    rows = session.scalars(
        select(ContentCopy)
        .join(ContentShot, ContentShot.id == ContentCopy.shot_id)
        .where(ContentShot.plan_id.in_(plan_ids))
        .order_by(ContentCopy.shot_id, ContentCopy.platform, ContentCopy.round, ContentCopy.variant)
    ).all()
    rounds: dict[tuple[int, str], int] = {}
    reasons: dict[tuple[int, str], list[str]] = {}
    chosen: set[tuple[int, str]] = set()
    for row in rows:
        place = (row.shot_id, row.platform)
        rounds[place] = max(rounds.get(place, 0), row.round)
        if row.reason:
            reasons.setdefault(place, []).append(row.reason)
        if row.chosen:
            chosen.add(place)
        if row.outcome == "written":
            books[row.avatar_id].captions.append(_caption(row))
    for book in books.values():
        book.places = [
            Place(shot, name, rounds.get(at, 0), tuple(dict.fromkeys(reasons.get(at, ()))))
            for shot in book.shots.values()
            for name in shot.platforms
            if (at := (shot.id, name)) not in chosen
        ]


def _caption(row: ContentCopy) -> Caption:
    words = "\n".join(part for part in (row.hook, row.body, row.call_to_action) if part)
    return Caption(
        row.id, row.shot_id, row.platform, row.round, row.variant, words, row.caption or "",
        row.title, row.scores or {}, row.score, row.moderation, row.reason, row.chosen,
    )  # fmt: skip


def insert_copies(session: Session, rows: Sequence[Json]) -> None:
    """Keep the rows of an answer. Those that are there already stay: it was kept before."""
    session.execute(insert(ContentCopy).on_conflict_do_nothing(), list(rows))


def save_moderation(session: Session, verdicts: Mapping[int, tuple[Json, str | None]]) -> None:
    """Keep the moderator's verdicts by row id, with why a row is refused (None: it is not)."""
    session.execute(
        update(ContentCopy),
        [
            {"id": row_id, "moderation": verdict, "reason": reason}
            for row_id, (verdict, reason) in verdicts.items()
        ],
    )


def save_verdicts(session: Session, verdicts: Sequence[Verdict]) -> None:
    """Keep scores, reasons and choices."""
    if verdicts:
        session.execute(
            update(ContentCopy),
            [
                {"id": v.id, "scores": v.scores, "score": v.score, "reason": v.reason,
                 "chosen": v.chosen}
                for v in verdicts
            ],
        )  # fmt: skip


def figures(session: Session, books: Mapping[int, CopyBook]) -> dict[int, Figures]:
    """Sums per avatar over the plans of its book."""
    plan_ids = [plan_id for book in books.values() for plan_id in book.notes]
    return {
        row.avatar_id: Figures(
            row.variants, row.refused, row.cut_off, row.captions, row.score_mean, row.pieces,
            row.usd or Decimal(0), row.input_tokens, row.cached_tokens, row.models or "",
        )
        for row in session.execute(_FIGURES, {"plan_ids": plan_ids}).all()
    }  # fmt: skip
