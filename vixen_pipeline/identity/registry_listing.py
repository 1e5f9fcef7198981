"""All avatars in one look, for people. Belongs here: the one query behind `vixen avatar list`.

Does not: what one avatar waits for and why (status).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import text

from vixen_pipeline.identity.landed_specs import unusable_specs

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

# A landed spec without an avatar is listed too: it was added, and nobody has registered it yet.
_LISTING = text(
    """
    SELECT avatar.key, avatar.display_name AS name, status.status, status.since,
           avatar.spec_version, COALESCE(cost.usd, 0) AS usd, avatar.id AS position
    FROM vixen.avatars AS avatar
    JOIN report.identity_status AS status ON status.avatar_id = avatar.id
    LEFT JOIN (SELECT avatar_id, sum(usd) AS usd FROM vixen.cost_entries GROUP BY avatar_id) AS cost
      ON cost.avatar_id = avatar.id
    WHERE (:niche = '' OR avatar.niche = :niche) AND (:archived OR avatar.status = 'active')
    UNION ALL
    SELECT DISTINCT ON (spec.avatar_key) spec.avatar_key, spec.document ->> 'name', 'landed',
           spec.landed_at, spec.version, 0, 1000000000000 + spec.id
    FROM landing.avatar_specs AS spec
    WHERE spec.registered_at IS NULL AND (:niche = '' OR spec.niche = :niche)
      AND NOT EXISTS (SELECT FROM vixen.avatars AS a WHERE a.key = spec.avatar_key)
    ORDER BY position
    """
)


@dataclass(frozen=True, slots=True)
class AvatarLine:
    """One avatar in a list. `status` is derived (report.identity_status), `landed`, or
    `invalid`: landed, and no longer valid."""

    avatar: str
    name: str
    status: str
    since: datetime
    spec_version: int
    usd: Decimal


def list_avatars(
    services: Services, *, niche: str | None = None, archived: bool = False
) -> list[AvatarLine]:
    """Avatars, oldest first, of one niche or all; archived ones when asked for."""
    with services.database.begin() as session:
        rows = session.execute(_LISTING, {"niche": niche or "", "archived": archived}).all()
        landed = any(row.status == "landed" for row in rows)
        unusable = unusable_specs(session) if landed else {}
    lines: list[AvatarLine] = []
    for row in rows:
        invalid = row.status == "landed" and row.key in unusable
        status = "invalid" if invalid else row.status
        lines.append(AvatarLine(row.key, row.name, status, row.since, row.spec_version, row.usd))
    return lines
