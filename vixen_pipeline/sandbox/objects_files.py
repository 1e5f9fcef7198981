"""The object store's files and their index: written aside, renamed, then named by one row.

Belongs here: atomic writes, reading in pieces, the tables. Does not: HTTP, XML, signatures.
A row always points at a whole file: the file is written under `_incoming`, renamed to a name that
nobody knows, and becomes the object when its row is committed. Files are not fsynced: they outlive
a killed process, not a power cut.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Integer,
    Row,
    Table,
    Text,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from vixen_pipeline.sandbox.objects_body import Body
from vixen_pipeline.sandbox.objects_wire import S3Error, Target, disk_full
from vixen_pipeline.sandbox.state import metadata

PIECE = 1024 * 1024
_KEY = Text(collation="C")

objects = Table(
    "s3_objects",
    metadata,
    Column("bucket", Text, primary_key=True),
    Column("key", _KEY, primary_key=True),
    Column("file", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("modified_at", DateTime(timezone=True), nullable=False),
)
uploads = Table(
    "s3_uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("bucket", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
parts = Table(
    "s3_parts",
    metadata,
    Column("upload_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("file", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),
    Column("modified_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is whole: its path below the store's folder, its size, its md5 in hex."""

    file: str
    bytes: int
    etag: str


class Files:
    """All files of the store, below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, file: str) -> Path:
        return self._folder / file

    async def receive(self, bucket: str, key: str, body: Body) -> tuple[Stored, Mapping[str, str]]:
        """Write an upload; (file, checksum headers). Leaves nothing behind when it fails."""
        incoming = await asyncio.to_thread(self._new_incoming)
        try:
            await _write(incoming, body.pieces())
            checksums = body.verify()
            file = await asyncio.to_thread(self._settle, incoming, bucket, key)
        except OSError as error:
            raise _classified(error) from error
        finally:
            await asyncio.to_thread(incoming.unlink, missing_ok=True)
        etag = body.digests.md5.hexdigest()
        return Stored(file, body.digests.size, etag), checksums

    async def join(self, bucket: str, key: str, files: list[str], etag: str) -> Stored:
        """One file of several, in order."""
        incoming = await asyncio.to_thread(self._new_incoming)
        try:
            await asyncio.to_thread(self._concatenate, files, incoming)
            size = incoming.stat().st_size
            file = await asyncio.to_thread(self._settle, incoming, bucket, key)
        except OSError as error:
            raise _classified(error) from error
        finally:
            await asyncio.to_thread(incoming.unlink, missing_ok=True)
        return Stored(file, size, etag)

    async def remove(self, *files: str) -> None:
        """Delete files; those that are gone already are fine."""
        for file in files:
            await asyncio.to_thread(self.path(file).unlink, missing_ok=True)

    def remove_all(self) -> None:
        """Delete every file of the store."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _new_incoming(self) -> Path:
        folder = self._folder / "_incoming"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / secrets.token_hex(16)
        path.touch()
        return path

    def _settle(self, incoming: Path, bucket: str, key: str) -> str:
        file = f"{bucket}/{quote(key, safe='')[:150]}.{secrets.token_hex(8)}"
        target = self.path(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        incoming.rename(target)
        return file

    def _concatenate(self, files: list[str], incoming: Path) -> None:
        with incoming.open("wb") as sink:
            for file in files:
                with self.path(file).open("rb") as source:
                    shutil.copyfileobj(source, sink, PIECE)


async def _write(path: Path, pieces: AsyncIterator[bytes]) -> None:
    """Write small pieces together, so that a large body costs few thread hops."""
    sink: BinaryIO = await asyncio.to_thread(path.open, "wb")
    try:
        waiting: list[bytes] = []
        size = 0
        async for piece in pieces:
            waiting.append(piece)
            size += len(piece)
            if size >= PIECE:
                await asyncio.to_thread(sink.write, b"".join(waiting))
                waiting, size = [], 0
        await asyncio.to_thread(sink.write, b"".join(waiting))
    finally:
        await asyncio.to_thread(sink.close)


def _classified(error: OSError) -> S3Error:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full()
    return S3Error(500, "InternalError", f"The object could not be stored: {error.strerror}")


async def read(source: BinaryIO, length: int) -> AsyncIterator[bytes]:
    """`length` bytes from where `source` stands, in pieces; closes it at the end."""
    try:
        while length > 0:
            piece = await asyncio.to_thread(source.read, min(PIECE, length))
            if not piece:
                raise OSError("the file is shorter than its row says")
            length -= len(piece)
            yield piece
    finally:
        source.close()


def find(bucket: str, key: str) -> Callable[[Connection], Row[tuple[object, ...]] | None]:
    """A query for one object's row."""
    query = select(objects).where(objects.c.bucket == bucket, objects.c.key == key)
    return lambda connection: connection.execute(query).one_or_none()


def name(
    bucket: str, key: str, stored: Stored, headers: Mapping[str, str], now: datetime, *, fresh: bool
) -> Callable[[Connection], tuple[bool, str | None]]:
    """Make `stored` the object. Gives (done, file that it replaced).

    `fresh` (If-None-Match: *) gives (False, None) when there is one already, decided by the
    database, so that of two writers at once one wins.
    """
    values = {
        "bucket": bucket,
        "key": key,
        "file": stored.file,
        "bytes": stored.bytes,
        "etag": stored.etag,
        "headers": dict(headers),
        "modified_at": now,
    }
    statement = insert(objects).values(values)

    def run(connection: Connection) -> tuple[bool, str | None]:
        if fresh:
            kept = statement.on_conflict_do_nothing().returning(objects.c.key)
            return connection.execute(kept).one_or_none() is not None, None
        # One writer of a key at a time, or the loser's file would stay without a row.
        lock = func.pg_advisory_xact_lock(func.hashtextextended(f"{bucket}/{key}", 0))
        connection.execute(select(lock))
        present = select(objects.c.file).where(objects.c.bucket == bucket, objects.c.key == key)
        old = connection.execute(present).scalar_one_or_none()
        replaced = statement.on_conflict_do_update(
            index_elements=["bucket", "key"],
            set_={column: statement.excluded[column] for column in values},
        )
        connection.execute(replaced)
        return True, old

    return run


def forget(target: Target, *keys: str) -> Callable[[Connection], list[str]]:
    """Take objects out of the index (`keys`, or the target's own); gives their files."""
    gone = objects.delete().where(
        objects.c.bucket == target.bucket, objects.c.key.in_(keys or (target.key,))
    )
    statement = gone.returning(objects.c.file)
    return lambda connection: [str(file) for file in connection.execute(statement).scalars()]
