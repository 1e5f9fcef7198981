"""The databases an instance needs, made ready: embedded, or on a server that somebody else runs.

Belongs here: start or reach the server, make what is missing, check what we depend on. Does not:
the embedded server's life (db/embedded.py), migrations themselves (db/migrate.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote_plus

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from vixen_pipeline.db import embedded, siblings
from vixen_pipeline.errors import Unavailable, UserError
from vixen_pipeline.settings import Settings

MINIMUM_VERSION = 150_000
CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Databases:
    """Addresses without a driver, as libpq reads them."""

    main: str
    dagster: str
    sandbox: str
    embedded: bool


def make_ready(settings: Settings) -> Databases:
    """Start or reach the server and create the databases; the schema is `upgrade`'s affair.

    Raises Unavailable when the server does not answer, UserError when it lacks something.
    """
    if settings.database_url is None:
        main = embedded.ensure_running(settings.postgres_dir)
    else:
        main = siblings.plain_url(settings.database_url.get_secret_value())
    found = Databases(
        main=main,
        dagster=siblings.dagster_url(settings, main),
        sandbox=siblings.sandbox_url(main),
        embedded=settings.database_url is None,
    )
    check_server(main)
    for url, variable in (
        (found.dagster, "VIXEN_DAGSTER_DATABASE_URL"),
        (found.sandbox, "VIXEN_DATABASE_URL"),
    ):
        _ensure_database(url, main, variable)
    return found


def check_server(url: str) -> None:
    """Raise when the server at `url` is away, too old, or has no pgvector."""
    with _connect(url) as connection:
        version = connection.info.server_version
        row = connection.execute(
            "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"
        ).fetchone()
    if version < MINIMUM_VERSION:
        raise UserError(
            f"PostgreSQL {version // 10_000} is too old; {MINIMUM_VERSION // 10_000} is needed.",
            next_step="Upgrade it, or unset VIXEN_DATABASE_URL to use the embedded one.",
        )
    if row is None:
        raise UserError(
            f"the server at {shown(url)} has no pgvector.",
            next_step="Install the extension `vector` there, or unset VIXEN_DATABASE_URL.",
        )


def drop_siblings(settings: Settings, main_url: str) -> None:
    """Delete Dagster's and the sandbox's databases beside ours; the next start makes them anew."""
    names = [siblings.sandbox_url(main_url)]
    if settings.dagster_database_url is None:
        names.append(siblings.dagster_url(settings, main_url))
    with psycopg.connect(siblings.plain_url(main_url), autocommit=True) as connection:
        for url in names:
            name = sql.Identifier(make_url(url).database or "")
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


def shown(url: str) -> str:
    """`url` for people: without its password."""
    return unquote_plus(make_url(url).render_as_string(hide_password=True))


def _ensure_database(url: str, main: str, variable: str) -> None:
    name = make_url(url).database or ""
    try:
        psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S).close()
        return
    except psycopg.OperationalError as error:
        if f'database "{name}" does not exist' not in str(error):
            raise _away(url, error) from error
    try:
        embedded.create_database(siblings.plain_url(url, make_url(main).database), name)
    except psycopg.Error as error:
        raise UserError(
            f"the database {name} does not exist and cannot be created ({_first_line(error)}).",
            next_step=f"Create it on the server of {variable}, owned by the same role.",
        ) from error


def _connect(url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S)
    except psycopg.OperationalError as error:
        raise _away(url, error) from error


def _away(url: str, error: psycopg.Error) -> Unavailable:
    return Unavailable(
        f"the database {shown(url)} cannot be used ({_first_line(error)}).",
        next_step="Check VIXEN_DATABASE_URL and that the server runs.",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
