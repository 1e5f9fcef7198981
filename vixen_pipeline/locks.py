"""Locks and provider slots that all processes share and the server frees when one dies.

Belongs here: PostgreSQL advisory locks, bounded concurrency per provider. Does not: leases on rows
(inbox), state (effects). They need a direct connection: not PgBouncer in transaction mode.

**When the connection is lost** (server restarted) every lock of this process is gone, and another
process may take one before we are back. On the next use we reconnect and take back what is still
free; what is not is reported by `still_held`. So a lock here only keeps two processes from wasting
work: whatever must not happen twice is decided by a conditional UPDATE (see effects), never by a
lock alone. Slots may be over-subscribed for the length of the calls under way at that moment.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager

import psycopg
import structlog
from psycopg import sql

from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import Unavailable

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 10
KILLED_HOLDER_CHECK_S = 1.0
"""A killed holder cannot notify: the one waiter whose turn it is looks again this often."""

Row = tuple[int | bool | None, ...]


def lock_number(namespace: str, key: str | int) -> int:
    """The advisory lock's 64-bit number: a digest, so that names need no registry."""
    digest = hashlib.blake2b(f"{namespace}\x1f{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def direct_connection(database: Database, purpose: str) -> psycopg.Connection[Row]:
    """A connection of its own, outside the pool, in autocommit: for locks and LISTEN.

    Raises Unavailable.
    """
    url = database.url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        connection: psycopg.Connection[Row] = psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name=f"vixen {purpose}",
        )
        # A wake-up needs no durability, and would otherwise wait for the disk.
        connection.execute("SET synchronous_commit = off")
    except psycopg.OperationalError as error:
        raise _unavailable(error) from error
    return connection


def _unavailable(error: psycopg.Error) -> Unavailable:
    return Unavailable(
        f"the database does not answer ({str(error).splitlines()[0]}).",
        next_step="Nothing was half-written; run it again when it is back.",
    )


class ProcessLocks:
    """Advisory locks of this process, on one connection of their own. Safe for threads.

    Not re-entrant: a second `try_acquire` of a held key is False, in any thread.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._mutex = threading.Lock()
        self._connection: psycopg.Connection[Row] | None = None
        self._held: set[int] = set()

    def try_acquire(self, namespace: str, key: str | int) -> bool:
        """Take the lock if nobody has it. Raises Unavailable when the server is away."""
        return self.try_acquire_any(namespace, [key]) is not None

    def try_acquire_any(self, namespace: str, keys: Iterable[str | int]) -> str | int | None:
        """Take the first free one of `keys`, in one round trip; None when all are taken."""
        with self._mutex:
            numbers = {lock_number(namespace, key): key for key in keys}
            free = [number for number in numbers if number not in self._held]
            if not free:
                return None
            row = self._ask(
                "SELECT number FROM unnest(%s::bigint[]) AS t(number)"
                " WHERE pg_try_advisory_lock(number) LIMIT 1",
                [free],
            )
            if row is None:
                return None
            number = int(row[0] or 0)
            self._held.add(number)
            return numbers[number]

    def release(self, namespace: str, key: str | int, *, wake: str | None = None) -> None:
        """Give the lock back and notify channel `wake`. A lock that is not held is no error."""
        number = lock_number(namespace, key)
        with self._mutex:
            if number not in self._held:
                return
            self._held.discard(number)
            if self._connection is None:
                return
            try:
                self._connection.execute("SELECT pg_advisory_unlock(%s)", [number])
                if wake is not None:
                    self._connection.execute("SELECT pg_notify(%s, '')", [wake])
            except psycopg.OperationalError as error:
                # The server has freed it already; the next use reconnects.
                log.warning("locks.connection_lost", error=str(error).splitlines()[0])
                self._disconnect()

    def still_held(self, namespace: str, key: str | int) -> bool:
        """Whether the lock survived until now, asking the server (see the module's docstring)."""
        with self._mutex:
            self._ask("SELECT 1", [])
            return lock_number(namespace, key) in self._held

    @contextmanager
    def hold(self, namespace: str, key: str | int) -> Generator[bool]:
        """Yields whether the lock was taken; releases it afterwards if so."""
        acquired = self.try_acquire(namespace, key)
        try:
            yield acquired
        finally:
            if acquired:
                self.release(namespace, key)

    def close(self) -> None:
        """Give everything back."""
        with self._mutex:
            self._held.clear()
            self._disconnect()

    def _ask(self, statement: str, parameters: Sequence[object]) -> Row | None:
        for last_try in (False, True):
            connection = self._connected()
            try:
                return connection.execute(statement.encode(), parameters).fetchone()
            except psycopg.OperationalError as error:
                self._disconnect()
                if last_try:
                    raise _unavailable(error) from error
                log.warning("locks.connection_lost", error=str(error).splitlines()[0])
        raise AssertionError("unreachable")

    def _connected(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            self._connection = connection = direct_connection(self.database, "locks")
            lost = {n for n in self._held if not _try_lock(connection, n)}
            if lost:
                self._held -= lost
                log.error("locks.lost", count=len(lost))
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _try_lock(connection: psycopg.Connection[Row], number: int) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [number]).fetchone()
    return row is not None and row[0] is True


class _Line:
    """This process's place in the line for one provider: at most one of its threads is in it."""

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.connection: psycopg.Connection[Row] | None = None


class ProviderSlots:
    """At most `limits[provider]` holders at a time, over all processes on one database.

    A slot is an advisory lock. Who wants one queues: first among the threads of its process, then
    in PostgreSQL's own first-come queue for the provider's turnstile, so processes take turns.
    Only the holder of the turnstile looks for a free slot; it sleeps until a release notifies it.
    """

    def __init__(self, locks: ProcessLocks, limits: Mapping[str, int]) -> None:
        self._locks = locks
        self._limits = dict(limits)
        self._lines = {provider: _Line() for provider in limits}

    @contextmanager
    def hold(self, provider: str) -> Generator[None]:
        """Blocks until a slot is free. Raises Unavailable when the server goes away meanwhile."""
        if provider not in self._limits:
            raise ValueError(f"no slot limit for {provider!r}; known: {sorted(self._limits)}")
        slot = self._acquire(provider)
        try:
            yield
        finally:
            self._locks.release(_slots(provider), slot, wake=_channel(provider))

    def close(self) -> None:
        """Close the connections that waiting uses. Nobody may be waiting."""
        for line in self._lines.values():
            if line.connection is not None:
                line.connection.close()
                line.connection = None

    def _acquire(self, provider: str) -> str | int:
        with self._turn(provider) as connection:
            slots = range(self._limits[provider])
            slot = self._locks.try_acquire_any(_slots(provider), slots)
            if slot is not None:
                return slot
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(_channel(provider))))
            while True:
                # Looked at again after LISTEN: a release in between is seen here or notified.
                slot = self._locks.try_acquire_any(_slots(provider), slots)
                if slot is not None:
                    connection.execute("UNLISTEN *")
                    return slot
                for _ in connection.notifies(timeout=KILLED_HOLDER_CHECK_S, stop_after=1):
                    pass

    @contextmanager
    def _turn(self, provider: str) -> Generator[psycopg.Connection[Row]]:
        line = self._lines[provider]
        with line.mutex:
            connection = self._enter_turnstile(line, lock_number("turnstile", provider))
            try:
                yield connection
                connection.execute(
                    "SELECT pg_advisory_unlock(%s)", [lock_number("turnstile", provider)]
                )
            except BaseException as error:
                # The connection's state is not known any more: closing it frees the turnstile.
                connection.close()
                if isinstance(error, psycopg.OperationalError):
                    raise _unavailable(error) from error
                raise

    def _enter_turnstile(self, line: _Line, number: int) -> psycopg.Connection[Row]:
        for fresh in (False, True):
            if fresh or line.connection is None or line.connection.closed:
                line.connection = direct_connection(self._locks.database, "slots")
                fresh = True
            try:
                line.connection.execute("SELECT pg_advisory_lock(%s)", [number])
                return line.connection
            except psycopg.OperationalError as error:
                line.connection.close()
                if fresh:
                    raise _unavailable(error) from error
        raise AssertionError("unreachable")


def _slots(provider: str) -> str:
    return f"slots:{provider}"


def _channel(provider: str) -> str:
    return f"vixen_slots_{provider}"
