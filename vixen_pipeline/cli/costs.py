"""`vixen costs`: what was spent at providers, and the limits."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, cast

import typer

from vixen_pipeline.cli.console import (
    JsonOption,
    line,
    note,
    print_json,
    print_table,
    services_for_command,
)
from vixen_pipeline.errors import NotFound, UserError

if TYPE_CHECKING:
    from vixen_pipeline.costs import Dimension
    from vixen_pipeline.services import Services


class By(StrEnum):
    """What sums are made over."""

    day = "day"
    avatar = "avatar"
    provider = "provider"
    sku = "sku"
    batch = "batch"


def register(app: typer.Typer) -> None:
    """Add `vixen costs`."""
    group = typer.Typer(help="What was spent at providers, and the limits.")
    group.callback(invoke_without_command=True)(costs)
    group.command("budgets")(budgets)
    group.command("set-budget")(set_budget)
    app.add_typer(group, name="costs")


def costs(
    context: typer.Context,
    by: Annotated[
        list[By] | None, typer.Option(help="Sum by these; several times for several.")
    ] = None,
    avatar: Annotated[str | None, typer.Option(help="Only this avatar, niche:handle.")] = None,
    niche: Annotated[str | None, typer.Option(help="Only this niche.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    since: Annotated[datetime | None, typer.Option(help="From this UTC day or time.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this UTC day or time.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Sum what was spent, dearest first; without --by, by provider."""
    if context.invoked_subcommand is not None:
        return
    from vixen_pipeline.costs import CostFilter

    names = [str(name) for name in by or [By.provider]]
    where = CostFilter(avatar, niche, provider, _utc(since), _utc(until))
    with services_for_command() as services:
        lines = services.costs.summary([cast("Dimension", name) for name in names], where)
    total = sum((item.usd for item in lines), Decimal(0))
    if as_json:
        rows = [{k: v for k, v in asdict(item).items() if v is not None} for item in lines]
        print_json({"usd": total, "lines": rows})
        return
    if not lines:
        note("Nothing was spent.")
        return
    units = ("units",) if "sku" in names else ()
    columns = (*names, *units, "calls", "usd")
    fields = (*names, *units, "entries", "usd")
    print_table(columns, [tuple(getattr(item, name) for name in fields) for item in lines])
    note(f"total {total.quantize(Decimal('0.0001'))} USD")


def budgets(
    avatar: Annotated[str | None, typer.Option(help="This avatar's limit too.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the spend limits and what is left of them."""
    with services_for_command() as services:
        states = services.costs.budgets(_avatar_id(services, avatar))
    if as_json:
        print_json([{**asdict(state), "left": state.left} for state in states])
        return
    print_table(
        ("scope", "limit", "spent", "reserved", "left"),
        [(s.scope, s.limit, s.spent, s.reserved, s.left) for s in states],
    )


def set_budget(
    usd: Annotated[str, typer.Argument(help="New limit in USD; `default` removes it.")],
    avatar: Annotated[
        str | None, typer.Option(help="Of this avatar in total; without it, of each UTC day.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Set a spend limit that overrides the settings: of one avatar, or of each day."""
    limit = None if usd == "default" else _amount(usd)
    with services_for_command() as services:
        avatar_id = _avatar_id(services, avatar)
        services.costs.set_budget(avatar_id, limit)
    if as_json:
        print_json({"avatar": avatar, "usd": limit})
    else:
        shown = "as in the settings" if limit is None else f"{limit} USD"
        line(f"the limit of {avatar or 'a day'} is {shown}")


def _amount(usd: str) -> Decimal:
    try:
        limit = Decimal(usd)
    except InvalidOperation:
        limit = Decimal(-1)
    if not limit.is_finite() or limit < 0:
        raise UserError(f"{usd} is not an amount in USD.", next_step="For example 25 or 12.50.")
    return limit


def _avatar_id(services: Services, avatar: str | None) -> int | None:
    if avatar is None:
        return None
    from sqlalchemy import text

    with services.database.begin() as session:
        query = text("SELECT id FROM vixen.avatars WHERE key = :key")
        found = session.execute(query, {"key": avatar}).scalar()
    if found is None:
        raise NotFound(f"there is no avatar {avatar}.", next_step="See `vixen avatar list`.")
    return int(found)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
