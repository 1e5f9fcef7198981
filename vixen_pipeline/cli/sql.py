"""`vixen sql`: ask the database, change nothing."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from vixen_pipeline.cli.console import JsonOption, note, services_for_command
from vixen_pipeline.cli.tables import Format, print_rows
from vixen_pipeline.errors import UserError

if TYPE_CHECKING:
    import psycopg

    from vixen_pipeline.services import Services

READER = "vixen_reader"
READING = ("SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN", "SHOW")

# What may stand before the first word, exactly as the server skips it; a nested comment is not
# recognised, and so refused.
_BEFORE = re.compile(r"(?:\s|\(|--[^\n\r]*(?:[\n\r]|\Z)|/\*(?:(?!/\*|\*/).)*\*/)*", re.DOTALL)
# A query with these could take the session user's role back, or run text as another query.
_ESCAPES = re.compile(
    r"\bset_config\b|\w+_to_xml\w*|\bts_stat\b|\bts_rewrite\b|\bdblink\w*|\bU&(?=\")",
    re.IGNORECASE,
)


def register(app: typer.Typer) -> None:
    """Add `vixen sql`."""
    app.command("sql")(sql)


def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement; - reads it from stdin.")],
    fmt: Annotated[Format, typer.Option("--format", "-f", help="How to print.")] = Format.table,
    timeout: Annotated[float, typer.Option(min=0.1, help="Longest run time, seconds.")] = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Run one query on the views of schema `report`, read-only, as a role that sees only them.

    Starts the embedded database when needed. Views: report.avatars, report.identity_status,
    report.content_status, report.content_plans, report.pieces, report.costs, report.dead_letters,
    report.effects_overdue.
    """
    text = sys.stdin.read() if query == "-" else query
    with services_for_command() as services:
        columns, rows = run(services, text, timeout)
        risky = services.settings.database_url is not None and _is_superuser(services)
    if risky:
        note(
            "warning: VIXEN_DATABASE_URL is a superuser's, which nothing on the server confines. "
            f"Use an ordinary role that is a member of {READER}."
        )
    print_rows(Format.json if as_json else fmt, columns, rows)


def run(
    services: Services, query: str, timeout: float
) -> tuple[list[str], list[tuple[object, ...]]]:
    """Columns and rows of one read-only statement. Raises UserError with the server's reason."""
    import psycopg

    require_reading(query)
    with connect(services, timeout) as connection:
        try:
            # Prepared: the server then refuses a second statement, which could leave the
            # read-only transaction.
            cursor = connection.execute(query.encode(), prepare=True)
            columns = [column.name for column in cursor.description or []]
            rows = cursor.fetchall() if cursor.description else []
        except psycopg.errors.QueryCanceled as error:
            raise UserError(
                f"the query took longer than {timeout:g} s.", next_step="Narrow it, or --timeout."
            ) from error
        except psycopg.OperationalError:
            raise  # the server is away: the command's edge says so
        except psycopg.Error as error:
            raise UserError(_reason(error)) from error
    return columns, rows


def require_reading(query: str) -> None:
    """Raise UserError unless `query` begins as one that reads, and cannot leave the reader's role.

    The server refuses the rest: writing, a second statement, what the reader may not see.
    """
    before = _BEFORE.match(query)
    word = re.match(r"[A-Za-z]*", query[before.end() if before else 0 :])
    if word is None or word.group().upper() not in READING:
        raise UserError(
            f"`vixen sql` only reads: one {', '.join(READING[:-1])} or {READING[-1]} statement.",
            next_step="Change things with the other commands; see `vixen --help`.",
        )
    if escape := _ESCAPES.search(query):
        raise UserError(
            f"`vixen sql` does not take {escape.group()}.",
            next_step="Ask the views of schema report directly.",
        )


def connect(services: Services, timeout: float) -> psycopg.Connection[tuple[object, ...]]:
    """A read-only connection as the reader. On the embedded server it *is* the reader; on another
    it takes the reader's role where there is one, and is read-only in any case."""
    import psycopg
    from psycopg.conninfo import make_conninfo

    from vixen_pipeline.db.siblings import plain_url

    url = plain_url(services.database.url)
    has_reader = _prepare_reader(services)
    embedded = services.settings.database_url is None
    options = f"-c statement_timeout={int(timeout * 1000)} -c timezone=utc"
    if has_reader and not embedded:
        options += f" -c role={READER}"
    conninfo = make_conninfo(url, options=options, application_name="vixen sql")
    if has_reader and embedded:
        conninfo = make_conninfo(conninfo, user=READER)
    connection: psycopg.Connection[tuple[object, ...]] = psycopg.connect(conninfo)
    connection.read_only = True
    return connection


def _is_superuser(services: Services) -> bool:
    from sqlalchemy import text

    with services.database.begin() as session:
        query = "SELECT rolsuper FROM pg_roles WHERE rolname = session_user"
        return bool(session.scalar(text(query)))


def _prepare_reader(services: Services) -> bool:
    """Whether the reader exists and can be used; lets it log in on the embedded server."""
    from sqlalchemy import text

    embedded = services.settings.database_url is None
    with services.database.begin() as session:
        query = "SELECT rolcanlogin, pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = :name"
        row = session.execute(text(query), {"name": READER}).first()
        if row is None:
            return False
        if embedded and not row[0]:
            session.execute(text(f"ALTER ROLE {READER} LOGIN"))
        return embedded or bool(row[1])


def _reason(error: psycopg.Error) -> str:
    parts = [error.diag.message_primary or str(error).strip().splitlines()[0]]
    if error.diag.statement_position:
        parts.append(f"at character {error.diag.statement_position}")
    if error.diag.message_hint:
        parts.append(f"hint: {error.diag.message_hint}")
    return "; ".join(parts) + "."
