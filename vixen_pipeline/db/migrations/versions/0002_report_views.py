"""Report views for analysts, and the role that may read them and nothing else."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

IDENTITY_STATUS = """
CREATE VIEW report.identity_status AS
SELECT a.key AS avatar,
       a.id AS avatar_id,
       CASE
         WHEN a.status = 'archived' THEN 'archived'
         WHEN weights.id IS NOT NULL AND weights.failure IS NULL THEN 'ready'
         WHEN training.id IS NOT NULL THEN 'training'
         WHEN dataset.id IS NOT NULL THEN 'dataset'
         WHEN portrait.id IS NOT NULL THEN 'portrait'
         WHEN persona.id IS NOT NULL THEN 'persona'
         ELSE 'described'
       END AS status,
       COALESCE(weights.created_at, training.status_at, dataset.created_at, portrait.created_at,
                persona.created_at, a.updated_at) AS since,
       persona.id AS persona_id,
       portrait.id AS portrait_id,
       dataset.id AS dataset_id,
       training.id AS training_id,
       training.status AS training_status,
       weights.id AS weights_id,
       weights.failure AS weights_failure
FROM vixen.avatars a
LEFT JOIN vixen.personas persona
       ON persona.avatar_id = a.id AND persona.input_digest = a.persona_digest
LEFT JOIN vixen.generated_images portrait
       ON portrait.avatar_id = a.id AND portrait.purpose = 'portrait'
      AND portrait.input_digest = a.appearance_digest AND portrait.selected
LEFT JOIN LATERAL (SELECT * FROM vixen.training_datasets d
                   WHERE d.avatar_id = a.id AND d.portrait_id = portrait.id
                   ORDER BY d.id DESC LIMIT 1) dataset ON true
LEFT JOIN LATERAL (SELECT * FROM vixen.lora_trainings t WHERE t.dataset_id = dataset.id
                   ORDER BY t.id DESC LIMIT 1) training ON true
LEFT JOIN vixen.lora_weights weights ON weights.training_id = training.id
"""

AVATARS = """
CREATE VIEW report.avatars AS
SELECT a.key AS avatar, a.niche, a.handle, s.status, a.created_at
FROM vixen.avatars a JOIN report.identity_status s ON s.avatar_id = a.id
"""

COSTS = """
CREATE VIEW report.costs AS
SELECT (c.occurred_at AT TIME ZONE 'UTC')::date AS day, COALESCE(a.key, 'unattributed') AS avatar,
       c.provider, c.sku, c.batch, sum(c.units) AS units, sum(c.usd) AS usd
FROM vixen.cost_entries c LEFT JOIN vixen.avatars a ON a.id = c.avatar_id
GROUP BY 1, 2, 3, 4, 5
"""

DEAD_LETTERS = """
CREATE VIEW report.dead_letters AS
SELECT id AS event, provider, event_id, attempts, error, received_at, available_at AS last_try_at
FROM landing.webhook_events WHERE state = 'dead'
"""

EFFECTS_OVERDUE = """
CREATE VIEW report.effects_overdue AS
SELECT e.id AS effect, e.kind, e.provider, a.key AS avatar, e.state, e.remote_id, e.attempts,
       e.deadline, e.error
FROM vixen.effects e LEFT JOIN vixen.avatars a ON a.id = e.avatar_id
WHERE e.state IN ('intended', 'dispatched', 'unknown') AND e.deadline < now()
"""

VIEWS = {
    "identity_status": IDENTITY_STATUS,
    "avatars": AVATARS,
    "costs": COSTS,
    "dead_letters": DEAD_LETTERS,
    "effects_overdue": EFFECTS_OVERDUE,
}

# A managed server may forbid CREATE ROLE; `vixen sql` then relies on its read-only transaction.
READER = """
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vixen_reader') THEN
    IF (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user) THEN
      CREATE ROLE vixen_reader NOLOGIN;
    END IF;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
GRANTS = """
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'vixen_reader') THEN
    GRANT USAGE ON SCHEMA report TO vixen_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA report TO vixen_reader;
    ALTER DEFAULT PRIVILEGES IN SCHEMA report GRANT SELECT ON TABLES TO vixen_reader;
  END IF;
END $$
"""


def upgrade() -> None:
    for statement in VIEWS.values():
        op.execute(statement)
    op.execute(READER)
    op.execute(GRANTS)


def downgrade() -> None:
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW report.{name}")
