"""Operations: what everything cost, and whether anything is stuck.

Belongs here: assets that analysts and operators look at first, unpartitioned, from the report
views. Does not: the views themselves (migrations), keeping Dagster's own storage small
(assets/retention.py).

No `from __future__ import annotations` here: Dagster reads the parameter types of assets.
"""
# Dagster's asset decorator is untyped for the checker at this edge.
# pyright: reportUnknownMemberType=false, reportMissingTypeArgument=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import dagster as dg

from assets.events import table
from resources.core import RESOURCE_KEY, services_of

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

GROUP = "operations"
MAX_ROWS = 50

Row = dict[str, object]

_TOTALS = """
SELECT coalesce(sum(usd), 0) AS usd, count(DISTINCT avatar) AS avatars,
       coalesce(sum(usd) FILTER (WHERE day = (now() AT TIME ZONE 'UTC')::date), 0) AS today_usd
FROM report.costs
"""
_BY_SKU = """
SELECT provider, sku, sum(units) AS units, sum(usd) AS usd
FROM report.costs GROUP BY provider, sku ORDER BY usd DESC, provider, sku LIMIT :limit
"""
_BY_AVATAR = """
SELECT avatar, sum(usd) AS usd, min(day) AS first_day, max(day) AS last_day
FROM report.costs GROUP BY avatar ORDER BY usd DESC, avatar LIMIT :limit
"""
_OVERDUE = """
SELECT effect, kind, provider, avatar, state, attempts, deadline
FROM report.effects_overdue ORDER BY deadline LIMIT :limit
"""
_DEAD = """
SELECT event, provider, event_id, attempts, received_at
FROM report.dead_letters ORDER BY received_at LIMIT :limit
"""

COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("day", "date", "UTC"),
        dg.TableColumn("avatar", "text", "partition key, or `unattributed`"),
        dg.TableColumn("provider", "text"),
        dg.TableColumn("sku", "text", "what is billed, as the price book names it"),
        dg.TableColumn("batch", "text", "what it was paid for"),
        dg.TableColumn("units", "numeric", "in the unit of the price"),
        dg.TableColumn("usd", "numeric"),
    ]
)

OVERDUE_CHECK = dg.AssetCheckSpec(
    "no_effect_past_its_deadline",
    asset="provider_costs",
    description="What we asked a provider for is confirmed, failed or reconciled in time.",
)
DEAD_CHECK = dg.AssetCheckSpec(
    "no_dead_letters",
    asset="provider_costs",
    description="No webhook delivery has run out of tries; `vixen inbox replay` brings it back.",
)


@dg.asset(
    group_name=GROUP,
    description="What every paid call to every provider has cost, by product, avatar and day. "
    "Each paid call is one entry; a call that would pass a budget is refused before it is made.",
    owners=["team:operations"],
    kinds={"python", "postgres"},
    tags={"vixen/system": GROUP},
    check_specs=[OVERDUE_CHECK, DEAD_CHECK],
    required_resource_keys={RESOURCE_KEY},
    metadata={
        "by_hand": dg.MetadataValue.md("`vixen materialize provider_costs`"),
        "report": dg.MetadataValue.md('`vixen costs`, `vixen sql "SELECT * FROM report.costs"`'),
        "dagster/column_schema": COLUMNS,
    },
)
def provider_costs(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    services = services_of(context)
    (totals,) = query(services, _TOTALS)
    return dg.MaterializeResult(
        metadata={
            "usd": dg.MetadataValue.float(number(totals["usd"])),
            "today_usd": dg.MetadataValue.float(number(totals["today_usd"])),
            "avatars": dg.MetadataValue.int(int(number(totals["avatars"]))),
            "by_sku": table(query(services, _BY_SKU)),
            "by_avatar": table(query(services, _BY_AVATAR)),
        },
        check_results=stuck_work(services),
    )


@dg.op(
    description="Asks two report views whether anything is late or dead, and records the checks.",
    required_resource_keys={RESOURCE_KEY},
)
def check_stuck_work(context: dg.OpExecutionContext) -> None:
    for result in stuck_work(services_of(context)):
        evaluation = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("provider_costs"),
            check_name=str(result.check_name),
            passed=result.passed,
            description=result.description,
            metadata=result.metadata,
        )
        # Taken at run time and missing in the declared union.
        context.log_event(evaluation)  # pyright: ignore[reportArgumentType]


@dg.job(
    name="operations_checks",
    description="Evaluates the checks of provider_costs by themselves, without summing costs.",
    tags={"vixen/system": GROUP},
)
def operations_checks() -> None:
    check_stuck_work()


def stuck_work(services: "Services") -> list[dg.AssetCheckResult]:
    """Both checks, as things stand now."""
    return [
        stuck(OVERDUE_CHECK, query(services, _OVERDUE), "`vixen effects list --overdue`"),
        stuck(DEAD_CHECK, query(services, _DEAD), "`vixen inbox list --state dead`"),
    ]


def stuck(spec: dg.AssetCheckSpec, rows: Sequence[Row], look: str) -> dg.AssetCheckResult:
    """Passed when there is no row; otherwise how many, the oldest of them, and where to look."""
    found = f"{MAX_ROWS} or more" if len(rows) >= MAX_ROWS else str(len(rows))
    return dg.AssetCheckResult(
        passed=not rows,
        check_name=spec.name,
        description=f"{found} found; see {look}." if rows else "None.",
        metadata={"found": dg.MetadataValue.int(len(rows)), "oldest": table(list(rows))},
    )


def query(services: "Services", statement: str) -> list[Row]:
    """The rows of one statement, as dictionaries."""
    from sqlalchemy import text

    with services.database.begin() as session:
        found = session.execute(text(statement), {"limit": MAX_ROWS}).mappings().all()
    return [dict(row) for row in found]


def number(value: object) -> float:
    """For plots only; amounts stay decimals in the database."""
    return float(value) if isinstance(value, int | float | Decimal) else 0.0
