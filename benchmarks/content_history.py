"""Whether a piece costs more when its avatar has 50,000 pieces behind it instead of 1,000.

The past is written straight to the tables: random embeddings and hashes, as many as its pieces
would have left. Then a plan of 50 goes through all stages at each size, and processor time is
compared: ours and the database server's, since the questions to the past are asked there.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import text

from benchmarks import cpu
from benchmarks.content_cost import SETTINGS
from benchmarks.content_world import STAGES, all_stages, core, make, number, ready_avatars, rows
from benchmarks.history_rows import HISTORY, INDEXES
from benchmarks.instance import sandbox_process
from benchmarks.report import Result
from vixen_pipeline.content.plans import ask_for_plan
from vixen_pipeline.services import Services

SHORT = 1_000
LONG = 50_000
PIECES = 50
GROWTH_LIMIT = 1.25
"""Half an index level more and the machine's noise; a scan of the past would be 50 times."""


def run() -> Sequence[Result]:
    """A plan without a past, to warm everything; then one at each size."""
    with tempfile.TemporaryDirectory(prefix="vixen-bench-") as name:
        folder = Path(name)
        with sandbox_process(folder, **SETTINGS) as env:
            keys = ready_avatars(env, folder, 1)
            with core(env) as services:
                for stage in STAGES:
                    make(services, stage, keys)
                spent: dict[int, dict[str, cpu.Cpu]] = {}
                read: dict[int, Counter[str]] = {}
                for size in (SHORT, LONG):
                    write_history(services, keys[0], size)
                    ask_for_plan(services, keys[0], count=PIECES)
                    before = _rows_read(services)
                    spent[size] = all_stages(services, keys)
                    read[size] = _rows_read(services) - before
                return [_processor(spent), _rows(read)]


def _rows_read(services: Services) -> Counter[str]:
    """Rows that the server has read so far, by table, through indexes or without."""
    services.database.dispose()  # a session that ends has handed in its counts
    query = (
        "SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)"
        " FROM pg_stat_user_tables WHERE schemaname = 'vixen'"
    )
    return Counter({str(row[0]): int(row[1]) for row in rows(services, query)})


def _rows(read: dict[int, Counter[str]]) -> Result:
    """Unlike processor time these are the same on every machine, so growth shows for certain."""
    grown = (read[LONG] - read[SHORT]).most_common(3)
    parts = ", ".join(f"{name} {read[SHORT][name]} → {read[LONG][name]}" for name, _ in grown)
    return Result(
        "content_history",
        f"rows read per piece after {LONG:,} pieces",
        read[LONG].total() / PIECES,
        GROWTH_LIMIT * read[SHORT].total() / PIECES,
        "rows",
        basis=f"after {SHORT:,}: {read[SHORT].total() / PIECES:.0f}; most grown, in all: {parts}",
    )


def _processor(spent: dict[int, dict[str, cpu.Cpu]]) -> Result:
    def per_piece(size: int) -> float:
        return sum(each.total for each in spent[size].values()) / PIECES * 1000

    parts = ", ".join(
        f"{stage.removeprefix('content_')} {spent[SHORT][stage].total / PIECES * 1000:.0f} →"
        f" {spent[LONG][stage].total / PIECES * 1000:.0f}"
        for stage in spent[SHORT]
    )
    databases = ", ".join(
        f"{stage.removeprefix('content_')} {spent[SHORT][stage].database / PIECES * 1000:.0f} →"
        f" {spent[LONG][stage].database / PIECES * 1000:.0f}"
        for stage in spent[SHORT]
    )
    return Result(
        "content_history",
        f"processor time per piece after {LONG:,} pieces, database included",
        per_piece(LONG),
        GROWTH_LIMIT * per_piece(SHORT),
        "ms",
        basis=f"after {SHORT:,}: {per_piece(SHORT):.0f} ms ({parts});"
        f" of it the database: {databases}",
    )


def write_history(services: Services, key: str, size: int) -> None:
    """Make the past of an avatar `size` pieces long (its own pieces are not counted).

    The indexes over what is written are made anew afterwards, as they were: row by row it would
    take many minutes.
    """
    past = "SELECT count(*) FROM vixen.content_shots WHERE template = 'history'"
    begin = int(number(services, past))
    with services.database.begin() as session:
        session.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
        query = text("SELECT indexdef FROM pg_indexes WHERE indexname = ANY(:names)")
        definitions = session.scalars(query, {"names": list(INDEXES)}).all()
        for index in INDEXES:
            session.execute(text(f"DROP INDEX vixen.{index}"))
        values = {"key": key, "first": begin + 1, "last": size, "model": services.embedder.model}
        for statement in HISTORY:
            session.execute(text(statement), values)
        # Its vectors lie outside of the table: the planner would think it small, for one process.
        session.execute(text("ALTER TABLE vixen.content_shots SET (parallel_workers = 4)"))
        for definition in definitions:
            session.execute(text(definition))
        session.execute(text("ALTER TABLE vixen.content_shots RESET (parallel_workers)"))
    with services.database.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in ("VACUUM ANALYZE", "CHECKPOINT"):  # or the server does it while we count
            connection.execute(text(statement))
