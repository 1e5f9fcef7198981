"""What all sandbox routers share. Belongs here: engine, clock, faults, controls, shared tables.

Does not: any provider's behaviour. A provider module declares its own tables on `metadata` at
module level; `create_app` imports the modules and then creates all tables. Provider modules look
like this: `def router(state: SandboxState) -> APIRouter`, paths without the provider's prefix.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

import httpx
from sqlalchemy import Column, Connection, Engine, MetaData, Table, Text, create_engine, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from starlette.concurrency import run_in_threadpool

from vixen_pipeline.db.session import normalize_url
from vixen_pipeline.sandbox.clock import VirtualClock
from vixen_pipeline.sandbox.config import SandboxConfig
from vixen_pipeline.sandbox.faults import Faults

T = TypeVar("T")

metadata = MetaData()

control_values = Table(
    "control_values",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
)

# What was drawn, by the SHA-256 (hex) of the bytes sent out. `look` holds the person's colours,
# `kind` is portrait | stranger | duplicate | blurry | nsfw. Moderation and reference-conditioned
# models recognise an image by it.
drawn_images = Table(
    "drawn_images",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("look", JSONB, nullable=False),
    Column("kind", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Controls:
    """The standing orders given through the control API; kept in the database."""

    time_offset: float = 0.0
    latency: dict[str, float] = field(default_factory=dict[str, float])
    training_seconds: float = 2.0
    training_outcome: str = "succeeded"
    training_weights: str = "good"
    training_checkpoints: int = 0  # how many are offered beside the final weights
    webhook_mode: str = "normal"
    webhook_times: int = 2
    webhook_seconds: float = 1.0
    predrawn: int = 0  # how many pictures are drawn in advance; 0: each when it is asked for


class SandboxState:
    """One per app. Database work goes through `run`, so that the event loop never waits."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.engine: Engine = create_engine(
            normalize_url(config.database_url),
            pool_size=20,
            max_overflow=20,
            pool_pre_ping=True,
            connect_args={"application_name": "vixen-sandbox", "options": "-c timezone=utc"},
        )
        self.clock = VirtualClock()
        self.faults = Faults()
        self.controls = Controls()
        self.calls: Counter[str] = Counter()
        self.painters = ThreadPoolExecutor(2, thread_name_prefix="painter")
        self.wake = asyncio.Event()
        self.http = httpx.AsyncClient(timeout=30.0, follow_redirects=False)
        self.on_reset: list[Callable[[Connection], None]] = []
        self.counts: list[Callable[[Connection], dict[str, Any]]] = []
        self.listings: dict[str, Callable[[Connection], list[dict[str, Any]]]] = {}
        self.unfinished = True  # work may have been left by the process before this one
        self.workers: list[Callable[[], Awaitable[None]]] = []

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction on a thread; committed when it returns."""
        return await run_in_threadpool(self.transact, work)

    def transact(self, work: Callable[[Connection], T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)

    def create_tables(self) -> None:
        """Create what is missing and read the standing orders back."""
        metadata.create_all(self.engine)
        self.load_controls()

    def load_controls(self) -> None:
        query = select(control_values.c.value).where(control_values.c.name == "controls")
        stored: dict[str, Any] | None = self.transact(lambda c: c.execute(query).scalar())
        self.controls = Controls(**(stored or {}))
        self.clock.offset = timedelta(seconds=self.controls.time_offset)

    async def change_controls(self, **changes: Any) -> Controls:
        """Change standing orders by field name; they survive a restart."""
        self.controls = replace(self.controls, **changes)
        value = asdict(self.controls)
        statement = insert(control_values).values(name="controls", value=value)
        statement = statement.on_conflict_do_update(
            index_elements=["name"], set_={"value": statement.excluded.value}
        )
        await self.run(lambda connection: connection.execute(statement) and None)
        self.clock.offset = timedelta(seconds=self.controls.time_offset)
        self.wake.set()
        return self.controls

    async def record_drawn(self, sha256: str, look: dict[str, Any], kind: str) -> None:
        """Remember an image that was drawn, so that it is recognised when it comes back."""
        statement = insert(drawn_images).values(sha256=sha256, look=look, kind=kind)
        await self.run(lambda c: c.execute(statement.on_conflict_do_nothing()) and None)

    async def drawn(self, sha256: str) -> tuple[dict[str, Any], str] | None:
        """(look, kind) of an image drawn here, by the SHA-256 of its bytes."""
        query = select(drawn_images.c.look, drawn_images.c.kind).where(
            drawn_images.c.sha256 == sha256
        )
        row = await self.run(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else (row.look, row.kind)

    async def close(self) -> None:
        await self.http.aclose()
        self.painters.shutdown(wait=True, cancel_futures=True)
        self.engine.dispose()
