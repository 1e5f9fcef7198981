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
from vixen_pipeline.errors import Busy


def register(app: typer.Typer) -> None:
    """Add `vixen db`."""
    group = typer.Typer(no_args_is_help=True, help="The database: address, schema, reset.")
    group.command("url")(url)
    group.command("upgrade")(upgrade)
    group.command("reset")(reset)
    group.command("stop")(stop)
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
    """Delete everything in the database: avatars, receipts, effects, costs. Cannot be undone.

    On the embedded server Dagster's history and the sandbox's state go too; objects stay. Not
    while `vixen up` runs in this folder.
    """
    from vixen_pipeline.db import migrate
    from vixen_pipeline.runtime.databases import drop_siblings
    from vixen_pipeline.runtime.uplock import holder

    settings = settings_for_command()
    pid = holder(settings.home.resolve())
    if pid is not None:
        raise Busy(f"`vixen up` runs in this folder (process {pid}).", next_step="Stop it first.")
    confirm(f"Delete everything in the database of {settings.home.resolve()}?", yes=yes)
    with services_for_command() as services:
        migrate.reset(services.database.url)
        if settings.database_url is None:
            drop_siblings(settings, services.database.url)
    if as_json:
        print_json({"reset": True})
    else:
        line("the database is empty and its schema is new")


def stop(as_json: JsonOption = False) -> None:
    """Stop the embedded server, which otherwise stays up after a command has started it."""
    from vixen_pipeline.db import embedded
    from vixen_pipeline.runtime.uplock import holder

    settings = settings_for_command()
    pid = holder(settings.home.resolve())
    if pid is not None:
        raise Busy(f"`vixen up` runs in this folder (process {pid}).", next_step="Stop it first.")
    ran = embedded.state(settings.postgres_dir).running
    embedded.stop(settings.postgres_dir)
    if as_json:
        print_json({"stopped": ran})
    else:
        line("stopped" if ran else "it was not running")
