"""The SQL of costs. Belongs here: statements on entries, reservations, budgets. Not: decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from vixen_pipeline.costs.model import BudgetState, CostFilter, CostLine, Dimension
from vixen_pipeline.locks import lock_number

_LOCK = text("SELECT pg_advisory_xact_lock(:number)")

_FORGET = text("DELETE FROM vixen.cost_reservations WHERE key = :key OR expires_at <= :now")

_RELEASE = text(
    """
    DELETE FROM vixen.cost_reservations
    WHERE key = :key
      AND (CAST(:reserved_at AS timestamptz) IS NULL OR created_at = :reserved_at)
    """
)

# One statement, so one snapshot: an entry and the reservation it replaces are never both missed.
_STATES = text(
    """
    SELECT
      (SELECT usd FROM vixen.budgets WHERE scope = 'day') AS day_limit,
      (SELECT usd FROM vixen.budgets WHERE scope = 'avatar' AND avatar_id = :avatar_id)
        AS avatar_limit,
      (SELECT COALESCE(sum(usd), 0) FROM vixen.cost_entries
       WHERE occurred_at >= :day AND occurred_at < :next_day) AS day_spent,
      COALESCE((SELECT usd FROM vixen.cost_totals WHERE avatar_id = :avatar_id), 0)
        + (SELECT COALESCE(sum(usd), 0) FROM vixen.cost_entries
           WHERE avatar_id = :avatar_id AND NOT rolled_up) AS avatar_spent,
      (SELECT COALESCE(sum(usd), 0) FROM vixen.cost_reservations WHERE expires_at > :now)
        AS day_reserved,
      (SELECT COALESCE(sum(usd), 0) FROM vixen.cost_reservations
       WHERE expires_at > :now AND avatar_id = :avatar_id) AS avatar_reserved
    """
)

_ROLL_UP = text(
    """
    WITH rolled AS (
      UPDATE vixen.cost_entries SET rolled_up = true
      WHERE avatar_id = :avatar_id AND NOT rolled_up
        AND (SELECT count(*) FROM vixen.cost_entries
             WHERE avatar_id = :avatar_id AND NOT rolled_up) >= :least
      RETURNING usd
    )
    INSERT INTO vixen.cost_totals AS t (avatar_id, usd)
    SELECT :avatar_id, sum(usd) FROM rolled HAVING count(*) > 0
    ON CONFLICT (avatar_id) DO UPDATE SET usd = t.usd + EXCLUDED.usd
    """
)
ROLLED_AT = 500
"""So many entries of an avatar are summed up at a time; no budget reads more than about this."""

_SET_BUDGET = text(
    """
    INSERT INTO vixen.budgets (scope, avatar_id, usd) VALUES (:scope, :avatar_id, :usd)
    ON CONFLICT (scope, avatar_id) DO UPDATE SET usd = EXCLUDED.usd
    """
)

_DIMENSIONS: dict[Dimension, str] = {
    "day": "(c.occurred_at AT TIME ZONE 'UTC')::date",
    "avatar": "COALESCE(a.key, 'unattributed')",
    "provider": "c.provider",
    "sku": "c.sku",
    "batch": "c.batch",
}


def lock_budgets(session: Session) -> None:
    """One reservation at a time, over all processes, until this transaction ends."""
    session.execute(_LOCK, {"number": lock_number("budgets", "all")})


def roll_up(session: Session, avatar_id: int | None, least: int = ROLLED_AT) -> None:
    """Add the avatar's entries to its total when there are many. Under `lock_budgets` only."""
    if avatar_id is not None:
        session.execute(_ROLL_UP, {"avatar_id": avatar_id, "least": least})


def forget_expired(session: Session, key: str, now: datetime) -> None:
    """Drop expired reservations and the one that is about to be replaced."""
    session.execute(_FORGET, {"key": key, "now": now})


def release(session: Session, key: str, reserved_at: datetime | None) -> None:
    """Drop a reservation; with `reserved_at` only if it is still the one made then."""
    session.execute(_RELEASE, {"key": key, "reserved_at": reserved_at})


def release_all(session: Session, keys: Sequence[str]) -> None:
    session.execute(
        text("DELETE FROM vixen.cost_reservations WHERE key = ANY(:keys)"), {"keys": list(keys)}
    )


def spent(session: Session, avatar_id: int) -> Decimal:
    statement = text(
        "SELECT COALESCE(sum(usd), 0) FROM vixen.cost_entries WHERE avatar_id = :avatar_id"
    )
    return session.execute(statement, {"avatar_id": avatar_id}).scalar_one()


def avatar_key(session: Session, avatar_id: int | None) -> str:
    """The partition key, for a message; `unattributed` where there is no avatar."""
    statement = text("SELECT key FROM vixen.avatars WHERE id = :avatar_id")
    key: str | None = session.execute(statement, {"avatar_id": avatar_id}).scalar_one_or_none()
    return key or "unattributed"


def budget_states(
    session: Session,
    avatar_id: int | None,
    now: datetime,
    *,
    avatar_limit: Decimal,
    day_limit: Decimal,
) -> list[BudgetState]:
    """The avatar's total (if there is one) and the UTC day's."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    row = session.execute(
        _STATES,
        {"avatar_id": avatar_id, "now": now, "day": day, "next_day": day + timedelta(days=1)},
    ).one()
    states = [BudgetState("day", _first(row.day_limit, day_limit), row.day_spent, row.day_reserved)]
    if avatar_id is not None:
        limit = _first(row.avatar_limit, avatar_limit)
        states.insert(0, BudgetState("avatar", limit, row.avatar_spent, row.avatar_reserved))
    return states


def _first(override: Decimal | None, default: Decimal) -> Decimal:
    return default if override is None else override


def set_budget(session: Session, avatar_id: int | None, limit: Decimal | None) -> None:
    scope = "day" if avatar_id is None else "avatar"
    if limit is not None:
        session.execute(_SET_BUDGET, {"scope": scope, "avatar_id": avatar_id, "usd": limit})
        return
    session.execute(
        text(
            "DELETE FROM vixen.budgets"
            " WHERE scope = :scope AND avatar_id IS NOT DISTINCT FROM :avatar_id"
        ),
        {"scope": scope, "avatar_id": avatar_id},
    )


def summary(session: Session, by: Sequence[Dimension], where: CostFilter) -> list[CostLine]:
    """Sums per combination of `by`, dearest first; units only where they can be added."""
    columns = [f"{_DIMENSIONS[name]} AS {name}" for name in by]
    units = "sum(c.units)" if "sku" in by else "NULL::numeric"
    groups = f"GROUP BY {', '.join(str(n + 1) for n in range(len(by)))}" if by else ""
    conditions, parameters = _conditions(where)
    statement = f"""
        SELECT {", ".join([*columns, f"{units} AS units"])},
               COALESCE(sum(c.usd), 0) AS usd, count(*) AS entries
        FROM vixen.cost_entries c LEFT JOIN vixen.avatars a ON a.id = c.avatar_id
        {conditions} {groups} ORDER BY usd DESC, 1
    """
    rows = session.execute(text(statement), parameters).mappings()
    return [CostLine(**dict(row)) for row in rows]


def _conditions(where: CostFilter) -> tuple[str, dict[str, Any]]:
    candidates: list[tuple[str, str, object]] = [
        ("avatar", f"{_DIMENSIONS['avatar']} = :avatar", where.avatar),
        ("niche", "a.niche = :niche", where.niche),
        ("provider", "c.provider = :provider", where.provider),
        ("since", "c.occurred_at >= :since", where.since),
        ("until", "c.occurred_at < :until", where.until),
    ]
    chosen = [candidate for candidate in candidates if candidate[2] is not None]
    clause = "WHERE " + " AND ".join(condition for _, condition, _ in chosen) if chosen else ""
    return clause, {name: value for name, _, value in chosen}
