"""Plans and shots in the database. Belongs here: the queries of planning.

Does not: what is planned. Nothing here reads an avatar's whole history: open plans are found by
their own index, the nearest prompts of before by the vector index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import ContentPlan, ContentShot
from vixen_pipeline.safety.moderation import SCORE_LIMITS

EXACT_UP_TO = 1000
"""Shots of an avatar that are compared one by one; beyond that the vector index is asked."""
_CHUNK = 64
# Reading a vector costs far more than a distance, so each is read once (l2_normalize makes a copy
# that stays in memory); cosine similarity does not change by it.
_EXACT = text(
    """
    WITH past AS MATERIALIZED (
        SELECT l2_normalize(shot.embedding) AS embedding FROM vixen.content_shots AS shot
        WHERE shot.avatar_id = :avatar_id AND shot.embedding_model = :model
    ), asked AS MATERIALIZED (
        SELECT number, l2_normalize(CAST(vector AS vector)) AS embedding
        FROM unnest(CAST(:vectors AS text[])) WITH ORDINALITY AS given(vector, number)
    )
    SELECT asked.number, max(-(past.embedding <#> asked.embedding)) AS similarity
    FROM asked CROSS JOIN past GROUP BY asked.number
    """
)
# Iterative: a search that is filtered by avatar would otherwise end at the index's first
# candidates. It ends at hnsw.max_scan_tuples, so its cost is bounded whatever the history.
# Without the sort: right after a large plan the planner's figures are old, and it would read all.
_BY_INDEX = (
    text("SET LOCAL hnsw.iterative_scan = 'strict_order'"),
    text("SET LOCAL enable_sort = off"),
)
_NEAREST = text(
    """
    SELECT asked.number, near.similarity
    FROM unnest(CAST(:vectors AS text[])) WITH ORDINALITY AS asked(vector, number)
    CROSS JOIN LATERAL (
        SELECT 1 - (shot.embedding <=> CAST(asked.vector AS vector)) AS similarity
        FROM vixen.content_shots AS shot
        WHERE shot.avatar_id = :avatar_id AND shot.embedding_model = :model
        ORDER BY shot.embedding <=> CAST(asked.vector AS vector)
        LIMIT 1
    ) AS near
    """
)
_PASSES = " AND ".join(
    f"COALESCE((shot.moderation #>> '{{scores,{category}}}')::float, 1) <= {limit}"
    for category, limit in SCORE_LIMITS.items()
)
# Of each avatar the newest plan that is planned. A verdict is read as the limits are today, and
# one that is missing does not pass.
_FACTS = text(
    f"""
    SELECT plan.id, plan.avatar_id, plan.number, plan.count, plan.mix, plan.coverage,
           plan.library_digest, shots.*,
           (SELECT count(*) FROM vixen.content_plans AS every
            WHERE every.avatar_id = plan.avatar_id) AS plans
    FROM unnest(CAST(:avatar_ids AS bigint[])) AS asked(avatar_id)
    CROSS JOIN LATERAL (
        SELECT * FROM vixen.content_plans AS newest
        WHERE newest.avatar_id = asked.avatar_id AND newest.planned_at IS NOT NULL
        ORDER BY newest.number DESC LIMIT 1
    ) AS plan
    CROSS JOIN LATERAL (
        SELECT count(*) AS shots, count(DISTINCT shot.prompt_sha256) AS prompts,
               count(DISTINCT (shot.prompt_sha256, shot.seed)) AS pairs,
               count(DISTINCT shot.scene) AS scenes, count(DISTINCT shot.template) AS templates,
               max(shot.nearest_similarity) AS most_alike,
               count(*) FILTER (WHERE shot.tier = 'public') AS public,
               count(*) FILTER (WHERE shot.tier = 'premium') AS premium,
               count(*) FILTER (WHERE shot.tier = 'exclusive') AS exclusive,
               count(*) FILTER (WHERE (shot.moderation ->> 'flagged') = 'false' AND {_PASSES})
                 AS moderated
        FROM vixen.content_shots AS shot WHERE shot.plan_id = plan.id
    ) AS shots
    """
)


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """The newest plan of an avatar, as its rows state it now."""

    plan_id: int
    number: int
    plans: int
    count: int
    mix: Json
    coverage: Json
    library_digest: str
    shots: int
    pairs: int
    prompts: int
    scenes: int
    templates: int
    most_alike: float | None
    tiers: dict[str, int]
    moderated: int


def plans_to_make(session: Session, avatar_ids: Sequence[int]) -> dict[int, list[ContentPlan]]:
    """The plans that were asked for and are not planned yet, by avatar, oldest first."""
    rows = session.scalars(
        select(ContentPlan)
        .where(
            ContentPlan.avatar_id.in_(avatar_ids),
            ContentPlan.completed_at.is_(None),
            ContentPlan.planned_at.is_(None),
        )
        .order_by(ContentPlan.avatar_id, ContentPlan.number)
    )
    found: dict[int, list[ContentPlan]] = {}
    for row in rows:
        found.setdefault(row.avatar_id, []).append(row)
    return found


def nearest_similarities(
    session: Session, avatar_id: int, model: str, vectors: Sequence[Sequence[float]]
) -> list[float | None]:
    """The cosine similarity of each vector to the nearest shot the avatar ever had; None: none.

    In the caller's transaction, which should do nothing else.
    """
    found: list[float | None] = [None] * len(vectors)
    planned = (ContentPlan.avatar_id == avatar_id, ContentPlan.planned_at.is_not(None))
    history = session.scalar(select(func.sum(ContentPlan.count)).where(*planned)) or 0
    if history == 0:
        return found
    if history > EXACT_UP_TO:
        for setting in _BY_INDEX:
            session.execute(setting)
    statement = _EXACT if history <= EXACT_UP_TO else _NEAREST
    for start in range(0, len(vectors), _CHUNK):
        chunk = [vector_text(each) for each in vectors[start : start + _CHUNK]]
        asked = {"vectors": chunk, "avatar_id": avatar_id, "model": model}
        for number, similarity in session.execute(statement, asked):
            found[start + number - 1] = float(similarity)
    return found


def vector_text(vector: Sequence[float]) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(f'{value:.7g}' for value in vector)}]"


def save_plan(
    session: Session,
    plan: ContentPlan,
    shots: Sequence[dict[str, Any]],
    *,
    library_digest: str,
    coverage: Json,
    now: datetime,
) -> bool:
    """Keep all shots and mark the plan planned, in the caller's transaction.

    False, with nothing written, when another process has planned it already or it was withdrawn.
    """
    taken = session.scalar(
        update(ContentPlan)
        .where(ContentPlan.id == plan.id, ContentPlan.planned_at.is_(None))
        .values(planned_at=now, library_digest=library_digest, coverage=coverage)
        .returning(ContentPlan.id)
    )
    if taken is None:
        return False
    session.execute(insert(ContentShot), list(shots))
    return True


def plan_facts(session: Session, avatar_ids: Sequence[int]) -> dict[int, PlanFacts]:
    """The newest planned plan of each avatar; those without one are left out."""
    rows = session.execute(_FACTS, {"avatar_ids": list(avatar_ids)}).mappings()
    return {
        row["avatar_id"]: PlanFacts(
            plan_id=row["id"],
            number=row["number"],
            plans=row["plans"],
            count=row["count"],
            mix=row["mix"],
            coverage=row["coverage"] or {},
            library_digest=row["library_digest"] or "",
            shots=row["shots"],
            pairs=row["pairs"],
            prompts=row["prompts"],
            scenes=row["scenes"],
            templates=row["templates"],
            most_alike=row["most_alike"],
            tiers={name: row[name] for name in ("public", "premium", "exclusive")},
            moderated=row["moderated"],
        )
        for row in rows
    }
