"""What the demo reports, read from the database: progress while it runs, the summary at the end.

Belongs here: the queries and the shape of the demo's JSON (docs: README, "The demo's JSON").
Does not: drawing them, starting anything. Every figure is derived from products, nothing is timed
by the demo itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

STAGES = (
    "avatars",
    "personas",
    "reference_portraits",
    "training_datasets",
    "lora_trainings",
    "lora_weights",
)

_PROGRESS = text("""
SELECT s.avatar, s.status, s.since, s.training_status, s.weights_failure,
       s.persona_id IS NOT NULL AS persona, s.portrait_id IS NOT NULL AS portrait,
       s.dataset_id IS NOT NULL AS dataset, i.made, i.measured, i.accepted, a.stage AS failed_stage,
       a.error, a.next_step, COALESCE(a.permanent, false) AS permanent
FROM report.identity_status s
LEFT JOIN LATERAL (
  SELECT count(*) AS made,
         count(*) FILTER (WHERE g.purpose = 'dataset') AS measured,
         count(*) FILTER (WHERE g.purpose = 'dataset' AND g.selected) AS accepted
  FROM vixen.generated_images g WHERE g.avatar_id = s.avatar_id
) i ON true
LEFT JOIN LATERAL (
  SELECT * FROM vixen.stage_attempts t WHERE t.avatar_id = s.avatar_id
  ORDER BY t.permanent DESC, t.updated_at DESC LIMIT 1
) a ON true
WHERE s.avatar = ANY(:keys) ORDER BY s.avatar
""")

_TIMES = text("""
WITH times AS (
  SELECT l.landed_at, a.created_at AS registered, p.created_at AS persona, g.created_at AS portrait,
         d.created_at AS dataset, t.completed_at AS trained, w.created_at AS weights
  FROM report.identity_status s
  JOIN vixen.avatars a ON a.id = s.avatar_id
  JOIN landing.avatar_specs l ON l.id = a.spec_id
  LEFT JOIN vixen.personas p ON p.id = s.persona_id
  LEFT JOIN vixen.generated_images g ON g.id = s.portrait_id
  LEFT JOIN vixen.training_datasets d ON d.id = s.dataset_id
  LEFT JOIN vixen.lora_trainings t ON t.id = s.training_id
  LEFT JOIN vixen.lora_weights w ON w.id = s.weights_id
  WHERE s.avatar = ANY(:keys)
)
SELECT stage, count(finished) AS avatars,
       extract(epoch FROM max(finished) - min(begun) FILTER (WHERE finished IS NOT NULL)) AS seconds
FROM times, LATERAL (VALUES
  ('avatars', landed_at, registered), ('personas', registered, persona),
  ('reference_portraits', persona, portrait), ('training_datasets', portrait, dataset),
  ('lora_trainings', dataset, trained), ('lora_weights', trained, weights)
) AS span(stage, begun, finished)
GROUP BY stage
""")

_COSTS = text("""
SELECT CASE WHEN e.kind LIKE 'identity.persona%' THEN 'personas'
            WHEN e.kind = 'identity.portrait_image' THEN 'reference_portraits'
            WHEN e.kind = 'identity.training' THEN 'lora_trainings'
            WHEN e.kind LIKE 'identity.dataset%' THEN 'training_datasets'
            WHEN c.batch LIKE '%persona%' THEN 'personas'
            ELSE 'lora_weights' END AS stage,
       c.provider, a.key AS avatar, sum(c.usd) AS usd
FROM vixen.cost_entries c JOIN vixen.avatars a ON a.id = c.avatar_id
LEFT JOIN vixen.effects e ON e.id = c.effect_id
WHERE a.key = ANY(:keys) GROUP BY 1, 2, 3
""")


@dataclass(frozen=True, slots=True)
class AvatarProgress:
    """Where one avatar stands. `accepted` counts dataset images, `made` all images."""

    avatar: str
    status: str
    made: int
    measured: int
    accepted: int
    persona: bool
    portrait: bool
    dataset: bool
    training_status: str | None
    error: str | None
    next_step: str | None
    permanent: bool

    @property
    def stages_done(self) -> int:
        trained = self.training_status == "succeeded"
        parts = (self.persona, self.portrait, self.dataset, trained, self.status == "ready")
        return 1 + sum(parts)


def progress(session: Session, keys: list[str]) -> list[AvatarProgress]:
    """One row per registered avatar of `keys`, in key order."""
    return [
        AvatarProgress(
            avatar=row["avatar"],
            status=row["status"],
            made=row["made"],
            measured=row["measured"],
            accepted=row["accepted"],
            persona=row["persona"],
            portrait=row["portrait"],
            dataset=row["dataset"],
            training_status=row["training_status"],
            error=row["weights_failure"] or row["error"],
            next_step=row["next_step"],
            permanent=row["permanent"] or row["weights_failure"] is not None,
        )
        for row in session.execute(_PROGRESS, {"keys": keys}).mappings()
    ]


@dataclass(frozen=True, slots=True)
class StageFacts:
    """One stage over all avatars: `seconds` from the first begin to the last end."""

    name: str
    avatars: int
    items: int
    seconds: float | None
    usd: Decimal


@dataclass(frozen=True, slots=True)
class DemoFacts:
    """Everything the summary shows."""

    progress: list[AvatarProgress]
    stages: list[StageFacts]
    usd_by_provider: dict[str, Decimal]
    usd_by_avatar: dict[str, Decimal]


def facts(session: Session, keys: list[str]) -> DemoFacts:
    """The summary's figures for the avatars `keys`."""
    rows = progress(session, keys)
    spans = {row["stage"]: row for row in session.execute(_TIMES, {"keys": keys}).mappings()}
    by_stage: dict[str, Decimal] = {}
    by_provider: dict[str, Decimal] = {}
    by_avatar: dict[str, Decimal] = {}
    for cost in session.execute(_COSTS, {"keys": keys}).mappings():
        for totals, name in (
            (by_stage, cost["stage"]),
            (by_provider, cost["provider"]),
            (by_avatar, cost["avatar"]),
        ):
            totals[name] = totals.get(name, Decimal(0)) + cost["usd"]
    items = {
        "reference_portraits": sum(row.made - row.measured for row in rows),
        "training_datasets": sum(row.measured for row in rows),
    }
    stages: list[StageFacts] = []
    for name in STAGES:
        span = spans.get(name)
        done = int(span["avatars"]) if span else 0
        seconds = float(span["seconds"]) if span and span["seconds"] is not None else None
        usd = by_stage.get(name, Decimal(0))
        stages.append(StageFacts(name, done, items.get(name, done), seconds, usd))
    return DemoFacts(rows, stages, by_provider, by_avatar)
