"""Report views of content: where each avatar stands with it, its plans, its pieces."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# `status` names what is missing first, in the order in which it is made: 'identity' (no weights
# that may be used), 'exam', 'plan', 'images', 'copy', 'pieces'; nothing: 'ready'. Only open plans
# are looked at. Weights that passed stay in use while newer ones of the same looks are examined,
# or fail their exam. The counts are subqueries, so that who does not ask for them pays nothing.
CONTENT_STATUS = """
CREATE VIEW report.content_status AS
SELECT i.avatar,
       i.avatar_id,
       CASE
         WHEN i.status = 'archived' THEN 'archived'
         WHEN i.weights_id IS NOT NULL AND i.weights_failure IS NULL
              AND chosen.weights_id IS DISTINCT FROM i.weights_id
              AND NOT (chosen.weights_id IS NOT NULL
                       AND EXISTS (SELECT FROM vixen.stage_attempts f
                                   WHERE f.avatar_id = i.avatar_id AND f.stage = 'weights_exams'
                                     AND f.permanent))
           THEN 'exam'
         WHEN chosen.weights_id IS NULL THEN 'identity'
         WHEN NOT EXISTS (SELECT FROM vixen.content_plans p WHERE p.avatar_id = i.avatar_id)
           OR EXISTS (SELECT FROM vixen.content_plans p
                      WHERE p.avatar_id = i.avatar_id AND p.completed_at IS NULL
                        AND p.planned_at IS NULL)
           THEN 'plan'
         WHEN EXISTS (SELECT FROM vixen.content_plans p
                      JOIN vixen.content_shots s ON s.plan_id = p.id
                      WHERE p.avatar_id = i.avatar_id AND p.completed_at IS NULL
                        AND NOT EXISTS (SELECT FROM vixen.rendered_images r
                                        WHERE r.shot_id = s.id AND r.selected))
           THEN 'images'
         WHEN EXISTS (SELECT FROM vixen.content_plans p
                      JOIN vixen.content_shots s ON s.plan_id = p.id
                      CROSS JOIN LATERAL jsonb_array_elements_text(p.platforms) AS platform
                      WHERE p.avatar_id = i.avatar_id AND p.completed_at IS NULL
                        AND NOT EXISTS (SELECT FROM vixen.content_copies c
                                        WHERE c.shot_id = s.id AND c.platform = platform
                                          AND c.chosen))
           THEN 'copy'
         WHEN EXISTS (SELECT FROM vixen.content_plans p
                      WHERE p.avatar_id = i.avatar_id AND p.completed_at IS NULL)
           THEN 'pieces'
         ELSE 'ready'
       END AS status,
       chosen.weights_id,
       chosen.exam_id,
       (SELECT max(p.completed_at) FROM vixen.content_plans p
        WHERE p.avatar_id = i.avatar_id) AS last_plan_at,
       (SELECT count(*) FROM vixen.content_plans p WHERE p.avatar_id = i.avatar_id) AS plans,
       (SELECT count(*) FROM vixen.content_plans p
        WHERE p.avatar_id = i.avatar_id AND p.completed_at IS NULL) AS plans_open,
       (SELECT count(*) FROM vixen.content_plans p
        JOIN vixen.content_shots s ON s.plan_id = p.id
        WHERE p.avatar_id = i.avatar_id AND p.completed_at IS NULL) AS open_shots,
       (SELECT count(*) FROM vixen.content_plans p
        JOIN vixen.content_shots s ON s.plan_id = p.id
        JOIN vixen.rendered_images r ON r.shot_id = s.id AND r.selected
        WHERE p.avatar_id = i.avatar_id AND p.completed_at IS NULL) AS open_images,
       (SELECT count(*) FROM vixen.content_pieces c
        WHERE c.avatar_id = i.avatar_id AND c.replaced_at IS NULL
          AND c.state IN ('approved', 'auto_approved')) AS pieces_ready,
       (SELECT count(*) FROM vixen.content_pieces c
        WHERE c.avatar_id = i.avatar_id AND c.replaced_at IS NULL
          AND c.state = 'pending_review') AS pieces_pending,
       (SELECT count(*) FROM vixen.content_pieces c
        WHERE c.avatar_id = i.avatar_id AND c.state = 'rejected') AS pieces_rejected
FROM report.identity_status i
LEFT JOIN LATERAL (
  SELECT e.weights_id, e.id AS exam_id
  FROM vixen.lora_trainings t
  JOIN vixen.lora_weights w ON w.training_id = t.id AND w.failure IS NULL
  JOIN vixen.weights_exams e
    ON e.weights_id = w.id AND e.chosen AND e.completed_at IS NOT NULL
   AND e.portrait_id = i.portrait_id
  WHERE t.dataset_id = i.dataset_id
  ORDER BY w.id DESC LIMIT 1
) chosen ON true
"""

CONTENT_PLANS = """
CREATE VIEW report.content_plans AS
SELECT a.key AS avatar, p.number AS plan, p.count AS pieces_planned, p.mix, p.platforms, p.formats,
       (SELECT count(*) FROM vixen.content_shots s
        JOIN vixen.rendered_images r ON r.shot_id = s.id AND r.selected
        WHERE s.plan_id = p.id) AS images_accepted,
       (SELECT count(*) FROM vixen.content_shots s
        JOIN vixen.rendered_images r ON r.shot_id = s.id
        WHERE s.plan_id = p.id) AS images_made,
       (SELECT count(*) FROM vixen.content_pieces c
        WHERE c.plan_id = p.id AND c.replaced_at IS NULL
          AND c.state IN ('approved', 'auto_approved')) AS pieces_ready,
       (SELECT COALESCE(sum(c.usd), 0) FROM vixen.content_pieces c
        WHERE c.plan_id = p.id AND c.format = 'still') AS usd,
       p.requested_by, p.created_at, p.planned_at, p.completed_at
FROM vixen.content_plans p JOIN vixen.avatars a ON a.id = p.avatar_id
"""

PIECES = """
CREATE VIEW report.pieces AS
SELECT c.id AS piece_id, a.key AS avatar, p.number AS plan, c.format, c.state,
       c.state IN ('approved', 'auto_approved') AND c.replaced_at IS NULL AS ready,
       c.tier, c.declared_tier, c.tier_reason, s.scene, s.template,
       (SELECT count(*) FROM vixen.piece_members m WHERE m.piece_id = c.id) AS members,
       (SELECT count(*) FROM vixen.piece_files f WHERE f.piece_id = c.id) AS files,
       r.identity_score, r.sharpness, r.weights_sha256, c.usd, c.run_id, c.created_at,
       c.reviewed_by, c.reviewed_at, c.state_reason, c.replaced_at
FROM vixen.content_pieces c
JOIN vixen.avatars a ON a.id = c.avatar_id
JOIN vixen.content_plans p ON p.id = c.plan_id
LEFT JOIN vixen.content_shots s ON s.id = c.shot_id
LEFT JOIN vixen.rendered_images r ON r.id = c.image_id
"""

VIEWS = {"content_status": CONTENT_STATUS, "content_plans": CONTENT_PLANS, "pieces": PIECES}


def upgrade() -> None:
    for statement in VIEWS.values():
        op.execute(statement)


def downgrade() -> None:
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW report.{name}")
