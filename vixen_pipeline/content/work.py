"""What of content can be done now. Belongs here: cheap questions over all avatars at once.

Does not: doing it (advance.py), telling people about one avatar (status.py). The view
report.content_status says what is missing next for each avatar; here those are left out who wait:
for a person, or for the time of the next try.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from vixen_pipeline.clock import Clock

if TYPE_CHECKING:
    from vixen_pipeline.db.session import Database

STAGE_OF_STATUS: Mapping[str, str] = {
    "exam": "weights_exams",
    "plan": "content_plans",
    "images": "content_images",
    "copy": "content_copy",
    "pieces": "content_pieces",
}
"""The stage that makes what a status of report.content_status says is missing. The others
('archived', 'identity', 'ready') have none."""

_DOABLE = text(
    """
    SELECT n.status, n.avatar, COALESCE(t.attempts, 0)
    FROM (SELECT s.avatar, s.avatar_id, s.status FROM report.content_status s
          WHERE s.status NOT IN ('archived', 'identity', 'ready')) n
    LEFT JOIN vixen.stage_attempts t ON t.avatar_id = n.avatar_id AND t.stage = CASE n.status
      WHEN 'exam' THEN 'weights_exams' ELSE 'content_' || CASE n.status
        WHEN 'plan' THEN 'plans' ELSE n.status END END
    WHERE t.avatar_id IS NULL OR (NOT t.permanent AND t.next_attempt_at <= :now)
    ORDER BY n.avatar_id
    """
)


@dataclass(frozen=True, slots=True)
class ContentWork:
    """What a run would find to do now: avatars by stage, and how often each has failed there."""

    stages: Mapping[str, Mapping[str, int]]

    def __bool__(self) -> bool:
        return bool(self.stages)

    def lines(self) -> list[str]:
        """One line for each thing to do; a line changes with each try."""
        return [
            f"{stage} {avatar} after {tries} failures"
            for stage, avatars in self.stages.items()
            for avatar, tries in avatars.items()
        ]


def work_available(database: Database, clock: Clock) -> ContentWork:
    """Everything that could be done now, oldest avatars first."""
    stages: dict[str, dict[str, int]] = {}
    with database.begin() as session:
        for status, avatar, tries in session.execute(_DOABLE, {"now": clock.now()}):
            stages.setdefault(STAGE_OF_STATUS[status], {})[avatar] = int(tries)
    return ContentWork(stages)
