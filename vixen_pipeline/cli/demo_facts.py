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
    "weights_exams",
    "content_plans",
    "content_images",
    "content_copy",
    "content_pieces",
)
CONTENT_STEPS = ("exam", "plan", "images", "copy", "pieces")
"""The statuses of report.content_status that stand for a stage, in order."""

_PROGRESS = text("""
SELECT s.avatar, s.status, s.training_status, s.weights_failure,
       s.persona_id IS NOT NULL AS persona, s.portrait_id IS NOT NULL AS portrait,
       s.dataset_id IS NOT NULL AS dataset, i.made, i.measured, i.accepted,
       c.status AS content, c.pieces_ready, c.pieces_pending,
       w.planned, w.images, w.images_made, w.words, w.pieces,
       a.error, a.next_step, COALESCE(a.permanent, false) AS permanent
FROM report.identity_status s
JOIN report.content_status c ON c.avatar_id = s.avatar_id
LEFT JOIN LATERAL (
  SELECT count(*) AS made,
         count(*) FILTER (WHERE g.purpose = 'dataset') AS measured,
         count(*) FILTER (WHERE g.purpose = 'dataset' AND g.selected) AS accepted
  FROM vixen.generated_images g WHERE g.avatar_id = s.avatar_id
) i ON true
LEFT JOIN LATERAL (
  SELECT (SELECT COALESCE(sum(p.count), 0) FROM vixen.content_plans p
          WHERE p.avatar_id = s.avatar_id) AS planned,
         (SELECT count(*) FROM vixen.rendered_images r
          WHERE r.avatar_id = s.avatar_id AND r.selected) AS images,
         (SELECT count(*) FROM vixen.rendered_images r
          WHERE r.avatar_id = s.avatar_id AND r.shot_id IS NOT NULL) AS images_made,
         (SELECT count(DISTINCT k.shot_id) FROM vixen.content_copies k
          WHERE k.avatar_id = s.avatar_id AND k.chosen) AS words,
         (SELECT count(*) FROM vixen.content_pieces k
          WHERE k.avatar_id = s.avatar_id AND k.format = 'still') AS pieces
) w ON true
LEFT JOIN LATERAL (
  SELECT * FROM vixen.stage_attempts t WHERE t.avatar_id = s.avatar_id
  ORDER BY t.permanent DESC, t.updated_at DESC LIMIT 1
) a ON true
WHERE s.avatar = ANY(:keys) ORDER BY s.avatar
""")

_TIMES = text("""
WITH times AS (
  SELECT l.landed_at, a.created_at AS registered, p.created_at AS persona, g.created_at AS portrait,
         d.created_at AS dataset, t.completed_at AS trained, w.created_at AS weights,
         x.completed_at AS examined, n.planned_at AS planned, n.completed_at AS pieces,
         (SELECT max(r.settled_at) FROM vixen.content_shots h
          JOIN vixen.rendered_images r ON r.shot_id = h.id AND r.selected
          WHERE h.plan_id = n.id) AS images,
         (SELECT max(k.created_at) FROM vixen.content_shots h
          JOIN vixen.content_copies k ON k.shot_id = h.id AND k.chosen
          WHERE h.plan_id = n.id) AS words
  FROM report.identity_status s
  JOIN report.content_status c ON c.avatar_id = s.avatar_id
  JOIN vixen.avatars a ON a.id = s.avatar_id
  JOIN landing.avatar_specs l ON l.id = a.spec_id
  LEFT JOIN vixen.personas p ON p.id = s.persona_id
  LEFT JOIN vixen.generated_images g ON g.id = s.portrait_id
  LEFT JOIN vixen.training_datasets d ON d.id = s.dataset_id
  LEFT JOIN vixen.lora_trainings t ON t.id = s.training_id
  LEFT JOIN vixen.lora_weights w ON w.id = s.weights_id
  LEFT JOIN vixen.weights_exams x ON x.id = c.exam_id
  LEFT JOIN vixen.content_plans n ON n.avatar_id = s.avatar_id AND n.number = 1
  WHERE s.avatar = ANY(:keys)
)
SELECT stage, count(finished) AS avatars,
       extract(epoch FROM max(finished) - min(begun) FILTER (WHERE finished IS NOT NULL)) AS seconds
FROM times, LATERAL (VALUES
  ('avatars', landed_at, registered), ('personas', registered, persona),
  ('reference_portraits', persona, portrait), ('training_datasets', portrait, dataset),
  ('lora_trainings', dataset, trained), ('lora_weights', trained, weights),
  ('weights_exams', weights, examined), ('content_plans', examined, planned),
  ('content_images', planned, images), ('content_copy', images, words),
  ('content_pieces', words, pieces)
) AS span(stage, begun, finished)
GROUP BY stage
""")

_COSTS = text("""
SELECT CASE WHEN c.batch = ANY(:stages) THEN c.batch
            WHEN e.kind LIKE 'identity.persona%' THEN 'personas'
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

_EXAM_IMAGES = text("""
SELECT count(*) FROM vixen.rendered_images r JOIN vixen.avatars a ON a.id = r.avatar_id
WHERE r.exam_id IS NOT NULL AND a.key = ANY(:keys)
""")


@dataclass(frozen=True, slots=True)
class AvatarProgress:
    """Where one avatar stands. `made`, `measured` and `accepted` count images of the dataset.

    `identity` and `content` are the statuses of the two report views; `planned`, `images`, `words`
    and `pieces` count stills of its plans, `ready` everything that may be published.
    """

    avatar: str
    identity: str
    content: str
    made: int
    measured: int
    accepted: int
    persona: bool
    portrait: bool
    dataset: bool
    training_status: str | None
    planned: int
    images: int
    images_made: int
    words: int
    pieces: int
    ready: int
    pending: int
    error: str | None
    next_step: str | None
    permanent: bool

    @property
    def complete(self) -> bool:
        """Every plan is made; what a person has to approve first is made as well."""
        return self.content == "ready" and self.ready + self.pending >= self.planned > 0

    @property
    def status(self) -> str:
        """One word: 'ready', or what it is at."""
        return self.identity if self.content == "identity" else self.content

    @property
    def stages_done(self) -> int:
        trained = self.training_status == "succeeded"
        if self.content in CONTENT_STEPS:
            return 6 + CONTENT_STEPS.index(self.content)
        if self.content == "ready":
            return len(STAGES)
        parts = (self.persona, self.portrait, self.dataset, trained, self.identity == "ready")
        return 1 + sum(parts)


def progress(session: Session, keys: list[str]) -> list[AvatarProgress]:
    """One row per registered avatar of `keys`, in key order."""
    return [
        AvatarProgress(
            avatar=row["avatar"],
            identity=row["status"],
            content=row["content"],
            made=row["made"],
            measured=row["measured"],
            accepted=row["accepted"],
            persona=row["persona"],
            portrait=row["portrait"],
            dataset=row["dataset"],
            training_status=row["training_status"],
            planned=int(row["planned"]),
            images=row["images"],
            images_made=row["images_made"],
            words=row["words"],
            pieces=row["pieces"],
            ready=row["pieces_ready"],
            pending=row["pieces_pending"],
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
    content = list(STAGES[6:])
    for cost in session.execute(_COSTS, {"keys": keys, "stages": content}).mappings():
        for totals, name in (
            (by_stage, cost["stage"]),
            (by_provider, cost["provider"]),
            (by_avatar, cost["avatar"]),
        ):
            totals[name] = totals.get(name, Decimal(0)) + cost["usd"]
    items = {
        "reference_portraits": sum(row.made - row.measured for row in rows),
        "training_datasets": sum(row.measured for row in rows),
        "weights_exams": session.scalars(_EXAM_IMAGES, {"keys": keys}).one(),
        "content_plans": sum(row.planned for row in rows),
        "content_images": sum(row.images_made for row in rows),
        "content_copy": sum(row.words for row in rows),
        "content_pieces": sum(row.ready for row in rows),
    }
    stages: list[StageFacts] = []
    for name in STAGES:
        span = spans.get(name)
        done = int(span["avatars"]) if span else 0
        seconds = float(span["seconds"]) if span and span["seconds"] is not None else None
        usd = by_stage.get(name, Decimal(0))
        stages.append(StageFacts(name, done, items.get(name, done), seconds, usd))
    return DemoFacts(rows, stages, by_provider, by_avatar)
