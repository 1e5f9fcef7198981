"""The databases of one instance: our own, Dagster's and the sandbox's, side by side on one server.

Belongs here: their names and addresses. Does not: starting servers, schemas.
"""

from __future__ import annotations

from sqlalchemy import make_url

from vixen_pipeline.db.session import render_url
from vixen_pipeline.settings import Settings

_DEFAULT_MAIN = "vixen"


def plain_url(url: str, database: str | None = None) -> str:
    """`url` as libpq reads it (no driver), for `database` if given."""
    parsed = make_url(url).set(drivername="postgresql")
    if database is not None:
        parsed = parsed.set(database=database)
    return render_url(parsed)


def dagster_url(settings: Settings, main_url: str) -> str:
    """Dagster's own storage: as set, else beside ours (`dagster`, or `<ours>_dagster`)."""
    if settings.dagster_database_url is not None:
        return plain_url(settings.dagster_database_url.get_secret_value())
    return plain_url(main_url, _name(main_url, "dagster", "dagster"))


def sandbox_url(main_url: str) -> str:
    """The sandbox's state: `vixen_sandbox`, or `<ours>_sandbox`, beside ours."""
    return plain_url(main_url, _name(main_url, "vixen_sandbox", "sandbox"))


def dagster_storage_url(url: str) -> str:
    """The same address with the one driver that Dagster's NOTIFY works with."""
    return render_url(make_url(url).set(drivername="postgresql+psycopg2"))


def _name(main_url: str, default: str, suffix: str) -> str:
    """Two instances on one server have two main databases, and must not share the others."""
    main = make_url(main_url).database or _DEFAULT_MAIN
    return default if main == _DEFAULT_MAIN else f"{main}_{suffix}"
