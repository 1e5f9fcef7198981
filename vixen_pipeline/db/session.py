"""One transaction per edge. Belongs here: the engine and `begin()`. Not: queries, retries.

The engine is psycopg 3. Dagster's own storage uses psycopg2 by an explicit driver name, because
its NOTIFY statement fails on psycopg 3.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from vixen_pipeline.errors import Unavailable


def render_url(url: URL) -> str:
    """`url` with its password, so that libpq reads it too: a space in a folder's name is `%20`
    there, not `+`."""
    address, mark, query = url.render_as_string(hide_password=False).partition("?")
    return address + mark + query.replace("+", "%20")


_SHORT_OF_RESOURCES = frozenset({"53000", "53100", "53200", "53300"})


def normalize_url(url: str) -> str:
    """`url` with the psycopg 3 driver named, whatever postgres spelling came in."""
    return render_url(make_url(url).set(drivername="postgresql+psycopg"))


class Database:
    """A pool of connections to one database, and transactions that end at the edge."""

    def __init__(self, url: str, *, pool_size: int = 10, application_name: str = "vixen") -> None:
        self.url = normalize_url(url)
        self.engine: Engine = create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=10,
            pool_pre_ping=True,
            # Error texts are logged and kept: what people wrote must not be in them.
            hide_parameters=True,
            connect_args={"application_name": application_name, "options": "-c timezone=utc"},
        )
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def begin(self) -> Generator[Session]:
        """A session in one transaction: committed at the end, rolled back on any exception.

        Raises Unavailable when the server cannot be reached or is short of disk or memory.
        """
        try:
            with self._sessions.begin() as session:
                yield session
        except OperationalError as error:
            if error.connection_invalidated or "connection" in str(error.orig).lower():
                raise Unavailable(
                    f"the database does not answer ({str(error.orig).splitlines()[0]}).",
                    next_step="Nothing was half-written; run it again when it is back.",
                ) from error
            if getattr(error.orig, "sqlstate", None) in _SHORT_OF_RESOURCES:
                raise Unavailable(
                    f"the database is short of resources ({str(error.orig).splitlines()[0]}).",
                    next_step="Free some; nothing was half-written, run it again then.",
                ) from error
            raise

    @contextmanager
    def autocommit(self) -> Generator[Connection]:
        """A raw connection outside any transaction, for locks, LISTEN and DDL on databases."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    def dispose(self) -> None:
        self.engine.dispose()
