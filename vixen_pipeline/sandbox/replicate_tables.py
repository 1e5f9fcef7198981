"""Replicate's state in the sandbox's database. Belongs here: tables and the jobs' derived status.

Does not: routes. A job's status is not stored: it follows from when the job was made, how long it
takes, and sandbox time, so a sandbox that was killed has lost nothing when it comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    Select,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from vixen_pipeline.sandbox.state import metadata

Row = Mapping[str, Any]
RETENTION = timedelta(hours=1)
EVENTS = ("start", "output", "logs", "completed")


def _time(name: str) -> Column[datetime]:
    return Column(name, DateTime(timezone=True))


def _job_columns() -> list[Column[Any]]:
    return [
        Column("id", Text, primary_key=True),
        Column("seq", BigInteger, Identity(), nullable=False, unique=True),
        Column("model", Text, nullable=False),
        Column("version", Text, nullable=False),
        Column("input", JSONB, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("seconds", Float, nullable=False),  # how long the work takes, sandbox time
        Column("outcome", Text, nullable=False),  # how it ends, unless canceled or broken
        _time("done_at"),  # when the work was really done; the end is not told before
        _time("canceled_at"),
        Column("error", Text),
        Column("logs", Text, nullable=False, server_default=""),
        Column("predict_time", Float, nullable=False),
        Column("webhook", Text),
        Column("events", ARRAY(Text), nullable=False),
        Column("events_sent", Integer, nullable=False, server_default="0"),  # 0, 1 start, 2 all
        Column("vanished", Boolean, nullable=False, server_default="false"),
    ]


predictions = Table(
    "replicate_predictions",
    metadata,
    *_job_columns(),
    Column("files", ARRAY(Text), nullable=False, server_default="{}"),
    Column("kind", Text, nullable=False, server_default="portrait"),
    Column("damage", Text),  # a content fault that spoils the output bytes
)
trainings = Table(
    "replicate_trainings",
    metadata,
    *_job_columns(),
    Column("destination", Text, nullable=False),
    Column("weights", Text, nullable=False),  # good | truncated | wrong_family | html
)
for _table in (predictions, trainings):
    Index(f"ix_{_table.name}_open", _table.c.seq, postgresql_where=_table.c.events_sent < 2)

models = Table(
    "replicate_models",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("fields", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

files = Table(
    "replicate_files",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, Identity(), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("md5", Text, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)


def read_rows(connection: Connection, query: Select[Any]) -> list[Row]:
    """The rows of a query by column name."""
    return [{str(name): value for name, value in row.items()}
            for row in connection.execute(query).mappings()]  # fmt: skip


def status_at(row: Row, now: datetime) -> str:
    """The status a job has at `now`: starting, processing, or how it ended."""
    if row["canceled_at"] is not None:
        return "canceled"
    if row["done_at"] is None or now < ends_at(row):
        begun = row["outcome"] != "aborted" and now >= starts_at(row)
        return "processing" if begun else "starting"
    return "failed" if row["error"] is not None else str(row["outcome"])


def starts_at(row: Row) -> datetime:
    return row["created_at"] + timedelta(seconds=0.1 * row["seconds"])


def ends_at(row: Row) -> datetime:
    """The earliest moment at which the job may be over."""
    due = row["created_at"] + timedelta(seconds=row["seconds"])
    return due if row["done_at"] is None else max(due, row["done_at"])


def is_over(status: str) -> bool:
    return status not in ("starting", "processing")


def removed_at(row: Row, now: datetime) -> bool:
    """Whether the outputs are gone: an hour after the end, or by an ordered fault."""
    return bool(row["vanished"]) or now >= ends_at(row) + RETENTION


def times(row: Row, now: datetime) -> dict[str, datetime | None]:
    """started_at and completed_at as the job's object tells them at `now`."""
    status = status_at(row, now)
    if status == "starting":
        return {"started_at": None, "completed_at": None}
    if status == "canceled":
        ended = row["canceled_at"] or ends_at(row)
        return {"started_at": starts_at(row) if ended >= starts_at(row) else None,
                "completed_at": ended}  # fmt: skip
    started = None if status == "aborted" else starts_at(row)
    return {"started_at": started, "completed_at": ends_at(row) if is_over(status) else None}


def billed_seconds(row: Row, now: datetime) -> float:
    """metrics.predict_time: what ran is billed, whole if it succeeded, in part if it ended early.

    A job's billed time is not its sandbox time: a training bills half an hour and takes seconds.
    """
    status = status_at(row, now)
    whole = float(row["predict_time"])
    if status == "succeeded":
        return whole
    if status == "canceled":
        ran = ((row["canceled_at"] or ends_at(row)) - starts_at(row)).total_seconds()
        return round(whole * max(0.0, min(1.0, ran / max(row["seconds"], 0.001))), 6)
    return round(whole * 0.1, 6) if status == "failed" else 0.0
