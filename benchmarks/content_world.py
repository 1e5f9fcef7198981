"""Avatars that are ready for content, made quickly: what the content benchmarks begin with.

Belongs here: preparing by the stages themselves, in this process, without a daemon. Does not:
measuring.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import cpu
from benchmarks.instance import database_url, order, vixen, write_specs
from vixen_pipeline.content.stages_list import CONTENT_STAGES
from vixen_pipeline.db import migrate
from vixen_pipeline.identity.advance import advance
from vixen_pipeline.identity.stages_list import IDENTITY_STAGES
from vixen_pipeline.services import Services
from vixen_pipeline.settings import load_settings
from vixen_pipeline.stages import no_progress

POOL = 240
"""Pictures drawn in advance, of each size: more than one avatar is shown in a benchmark."""
READY_S = 600.0
QUICK: Mapping[str, object] = {"dataset_images": 4, "training_poll_s": 0.2}
STAGES = {stage.name: stage for stage in CONTENT_STAGES}


@contextmanager
def core(env: Mapping[str, str]) -> Generator[Services]:
    """The core of the instance, composed in this process."""
    values: dict[str, Any] = {
        name.removeprefix("VIXEN_").lower(): value
        for name, value in env.items()
        if name.startswith("VIXEN_")
    }
    with Services(load_settings(**values)) as services:
        yield services


def ready_avatars(env: dict[str, str], folder: Path, count: int) -> list[str]:
    """Keys of `count` avatars with verified weights. Pictures are predrawn from here on."""
    order(env, "predrawn", on=True, count=POOL)
    order(env, "training", seconds=0)
    migrate.upgrade(database_url(env))
    vixen(env, "avatar", "add", *map(str, write_specs(folder, count)))
    ready = "SELECT count(*) FROM report.identity_status WHERE status = 'ready'"
    with core(env) as services:
        end = time.monotonic() + READY_S
        while number(services, ready) < count:
            if time.monotonic() > end:
                raise RuntimeError(f"{count} avatars were not ready within {READY_S:.0f} s")
            advance(services, None, IDENTITY_STAGES, no_progress, lambda _, __: None)
        keys = "SELECT key FROM vixen.avatars ORDER BY id"
        return [str(row[0]) for row in rows(services, keys)]


def make(services: Services, stage: str, keys: list[str]) -> float:
    """One content stage for all of `keys`; its wall seconds. Raises RuntimeError on a failure."""
    begun = time.perf_counter()
    for result in STAGES[stage].run(services, keys, no_progress):
        if result.outcome not in ("made", "unchanged"):
            raise RuntimeError(f"{stage} of {result.avatar}: {result.outcome} {result.error}")
    return time.perf_counter() - begun


def all_stages(services: Services, keys: list[str]) -> dict[str, cpu.Cpu]:
    """Every stage but the exam, which is of weights and not of pieces; its processor time."""
    spent: dict[str, cpu.Cpu] = {}
    for stage in STAGES:
        if stage != "weights_exams":
            begun = cpu.read(services.settings.postgres_dir)
            make(services, stage, keys)
            spent[stage] = cpu.read(services.settings.postgres_dir).since(begun)
    return spent


def rows(services: Services, query: str, **values: object) -> list[Any]:
    from sqlalchemy import text

    with services.database.begin() as session:
        return list(session.execute(text(query), values).all())


def number(services: Services, query: str, **values: object) -> float:
    return float(rows(services, query, **values)[0][0] or 0)
