"""What every command shares: output, errors, exit codes, services.

Belongs here: how a command talks to a person or a script. Does not: any command. Import time is
part of the interface (`vixen --help`): whatever is heavy is imported inside functions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from vixen_pipeline.errors import InvalidInput, ProviderError, StageFailed, Unavailable, VixenError

if TYPE_CHECKING:
    from rich.console import Console

    from vixen_pipeline.services import Services
    from vixen_pipeline.settings import Settings

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "failed: a stage, a check or a provider; the message says which",
    2: "input, settings or usage cannot be used; nothing was done",
    3: "refused by the safety policy",
    4: "refused by a budget",
    5: "busy: another process holds it, try later",
    6: "something of ours is down (database, objects); a retry is safe",
    130: "interrupted",
}

_JSON_KEY = "vixen.json"


def _remember_json(context: typer.Context, value: bool) -> bool:
    context.meta[_JSON_KEY] = value or context.meta.get(_JSON_KEY, False)
    return value


JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print machine-readable JSON.", callback=_remember_json),
]
"""`def command(as_json: JsonOption = False)`: errors are then printed as JSON too."""


@cache
def out() -> Console:
    """The console on standard output; plain text when it is not a terminal."""
    from rich.console import Console

    return Console(highlight=False)


@cache
def err() -> Console:
    """The console on standard error, for notices and progress."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def line(text: str) -> None:
    """One line of plain output, never wrapped or styled."""
    typer.echo(text)


def note(text: str) -> None:
    """One line for the person, on standard error, so that pipes stay clean."""
    typer.echo(text, err=True)


def jsonable(value: object) -> object:
    """For json.dumps: times as ISO 8601, decimals as strings (never floats), bytes as text."""
    match value:
        case datetime() | date():
            return value.isoformat()
        case Decimal() | Path():
            return str(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return str(value)


def print_json(value: object) -> None:
    """`value` as indented JSON on standard output."""
    typer.echo(json.dumps(value, indent=2, default=jsonable, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table: aligned with headers on a terminal, tab separated without styling in a pipe."""
    cells = [[cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [list(columns), *cells]:
            typer.echo("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in row))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    out().print(table)


def cell(value: object) -> str:
    """A value as one cell of a table or CSV file."""
    match value:
        case None:
            return ""
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return f"{value.normalize():f}"
        case dict() | list():
            return json.dumps(value, default=jsonable, ensure_ascii=False)
        case _:
            return str(value)


def problems_of(error: VixenError) -> tuple[str, ...]:
    """The separate lines of an error that has several, else nothing."""
    match error:
        case InvalidInput():
            return error.problems
        case StageFailed():
            return error.reasons
        case _:
            return ()


def error_document(error: VixenError) -> Mapping[str, object]:
    """What `--json` prints for an error."""
    return {
        "error": {
            "kind": type(error).__name__,
            "message": error.message,
            "problems": list(problems_of(error)),
            "next_step": error.next_step,
            "provider": error.provider if isinstance(error, ProviderError) else None,
            "exit_code": error.exit_code,
        }
    }


def fail(error: VixenError, *, as_json: bool = False) -> None:
    """Print `error`: one line (plus one per problem) on standard error; JSON on standard output."""
    if as_json:
        print_json(error_document(error))
    typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
    for problem in problems_of(error):
        typer.echo(f"  - {problem}", err=True)


class CommandGroup(TyperGroup):
    """The process edge of the command line: every error becomes its line and its exit code."""

    def invoke(self, ctx: Any) -> Any:  # the context's base class is private to typer
        try:
            return super().invoke(ctx)
        except VixenError as error:
            known = error
        except Exception as error:  # the process edge: nothing above could handle it better
            translated = _database_failure(error)
            if translated is None:
                raise
            known = translated
        fail(known, as_json=bool(ctx.meta.get(_JSON_KEY)))
        raise typer.Exit(known.exit_code)


def _database_failure(error: Exception) -> VixenError | None:
    """A database that is away or not migrated, said in one line; None for anything else."""
    module = type(error).__module__.partition(".")[0]
    if module not in {"sqlalchemy", "psycopg"}:
        return None
    cause = getattr(error, "orig", None) or error
    first = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    match type(cause).__name__:
        case "OperationalError" | "ConnectionTimeout" | "PoolTimeout" | "AdminShutdown":
            return Unavailable(
                f"the database does not answer ({first}).",
                next_step="Is it running? See `vixen doctor`.",
            )
        case "UndefinedTable" | "UndefinedColumn" | "InvalidSchemaName":
            return Unavailable(
                f"the database schema is not up to date ({first}).",
                next_step="Run `vixen db upgrade`.",
            )
        case _:
            return None


def settings_for_command() -> Settings:
    """The settings; raises SettingsMissing that names everything wrong."""
    from vixen_pipeline.settings import load_settings

    return load_settings()


@contextmanager
def services_for_command(*, run_id: str | None = None) -> Generator[Services]:
    """Services on a running, migrated database; closed at the end.

    The embedded server is started when needed, and an empty database gets its schema. A database
    of an older schema is not touched: that needs `vixen db upgrade`.
    """
    from vixen_pipeline import logs
    from vixen_pipeline.services import Services

    settings = settings_for_command()
    # To standard error, and only what matters: standard output belongs to the command.
    logs.configure(settings.log_format, level="WARNING")
    services = Services(settings, run_id=run_id)
    try:
        ensure_schema(services)
        yield services
    finally:
        services.close()


def ensure_schema(services: Services) -> None:
    """Migrate a database that has never been migrated; do nothing otherwise."""
    from sqlalchemy import text

    with services.database.begin() as session:
        found = session.execute(text("SELECT to_regclass('vixen.alembic_version')")).scalar()
    if found is None:
        from vixen_pipeline.db import migrate

        migrate.upgrade(services.database.url)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; `--yes` answers. Raises typer.Abort on no."""
    if not yes:
        typer.confirm(question, abort=True)


Register = Callable[[typer.Typer], None]
"""What each command module exposes as `register`."""
