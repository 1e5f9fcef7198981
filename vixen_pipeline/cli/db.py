"""`vixen db`: where the database is, its schema, starting over."""

from __future__ import annotations

from typing import Annotated

import typer

from vixen_pipeline.cli.console import (
    JsonOption,
    confirm,
    line,
    print_json,
    services_for_command,
    settings_for_command,
)


def register(app: typer.Typer) -> None:
    """Add `vixen db`."""
    group = typer.Typer(no_args_is_help=True, help="The database: address, schema, reset.")
    group.command("url")(url)
    group.command("upgrade")(upgrade)
    group.command("reset")(reset)
    app.add_typer(group, name="db")


def url(as_json: JsonOption = False) -> None:
    """Print the database's address; starts the embedded server when needed.

    It works as an argument of psql and of any SQL tool.
    """
    with services_for_command() as services:
        address = services.database.url.replace("postgresql+psycopg://", "postgresql://")
    if as_json:
        print_json({"url": address})
    else:
        line(address)


def upgrade(as_json: JsonOption = False) -> None:
    """Bring the schema to the newest revision. Safe to run twice."""
    from vixen_pipeline.db import migrate

    with services_for_command() as services:
        before, head = migrate.revisions(services.database.url)
        migrate.upgrade(services.database.url)
    if as_json:
        print_json({"before": before, "revision": head})
    else:
        line(f"schema is at {head}" + ("" if before == head else f" (was {before or 'empty'})"))


def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete everything in the database: avatars, receipts, effects, costs. Cannot be undone."""
    from vixen_pipeline.db import migrate

    settings = settings_for_command()
    confirm(f"Delete everything in the database of {settings.home.resolve()}?", yes=yes)
    with services_for_command() as services:
        migrate.reset(services.database.url)
    if as_json:
        print_json({"reset": True})
    else:
        line("the database is empty and its schema is new")
