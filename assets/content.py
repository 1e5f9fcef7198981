"""System 2: from trained weights to pieces that are ready to publish.

Belongs here: binding the core's content services to the Dagster ring. Does not: any of the work,
any of the texts (each stage describes itself in vixen_pipeline.content). The core is imported
inside the functions, as in assets/identity.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from assets.factory import system_assets
from assets.identity import forget_failures
from assets.jobs import drain_job, materialize_job
from assets.system import OnResult, System
from vixen_pipeline.content.stages_list import CONTENT_STAGES
from vixen_pipeline.stages import Progress, StageSpec

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


def _advance(
    services: Services,
    keys: Sequence[str] | None,
    stages: Sequence[StageSpec],
    progress: Progress,
    on_result: OnResult,
) -> None:
    from vixen_pipeline.content.advance import advance

    advance(services, keys, stages, progress, on_result)


def _work(services: Services) -> Sequence[str]:
    from vixen_pipeline.content.work import work_available

    return work_available(services.database, services.clock).lines()


def _keys(services: Services) -> Sequence[str]:
    """None: System 1's sensor adds the partitions of all avatars."""
    return ()


def _completed(services: Services) -> Mapping[str, Sequence[str]]:
    from vixen_pipeline.content.status import completed_stages

    return completed_stages(services)


CONTENT = System(
    name="content",
    description="From trained weights to pieces that are ready to publish.",
    report="report.content_status",
    stages=CONTENT_STAGES,
    advance=_advance,
    work=_work,
    keys=_keys,
    completed=_completed,
    forget=forget_failures,
    pool="modal",
)

content_assets = system_assets(CONTENT)
content_drain = drain_job(CONTENT)
content_materialize = materialize_job(CONTENT)
