"""System 1: from a described avatar to trained weights.

Belongs here: binding the core's identity services to the Dagster ring. Does not: any of the work,
any of the texts (each stage describes itself in vixen_pipeline.identity). The core is imported
inside the functions: a code location is imported for every run, and need not load a database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from assets.factory import system_assets
from assets.jobs import drain_job, materialize_job
from assets.system import OnResult, System
from vixen_pipeline.identity.stages_list import IDENTITY_STAGES
from vixen_pipeline.stages import Progress, StageSpec

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

_OWNER = ["team:operations"]

avatar_specs = dg.AssetSpec(
    key="avatar_specs",
    description="Avatars as people described them, as they landed: every version of every spec "
    "(`landing.avatar_specs`). Added with `vixen avatar add` or over the API.",
    group_name="identity",
    owners=_OWNER,
    kinds={"yaml", "postgres"},
)

replicate_webhooks = dg.AssetSpec(
    key="replicate_webhooks",
    description="What Replicate told us about trainings, as it landed (`landing.webhook_events`). "
    "A training whose webhook never comes is polled.",
    group_name="identity",
    owners=_OWNER,
    kinds={"postgres"},
)


def _advance(
    services: Services,
    keys: Sequence[str] | None,
    stages: Sequence[StageSpec],
    progress: Progress,
    on_result: OnResult,
) -> None:
    from vixen_pipeline.identity.advance import advance

    advance(services, keys, stages, progress, on_result)


def _work(services: Services) -> Sequence[str]:
    from vixen_pipeline.identity.work import work_available

    return work_available(services.database, services.clock).lines()


def _keys(services: Services) -> Sequence[str]:
    from vixen_pipeline.identity.registry import avatar_keys, pending_landed_keys

    registered = avatar_keys(services)
    with services.database.begin() as session:
        return list(dict.fromkeys([*registered, *pending_landed_keys(session)]))


def _completed(services: Services) -> Mapping[str, Sequence[str]]:
    from vixen_pipeline.identity.status import completed_stages

    return completed_stages(services)


def _refresh(services: Services) -> None:
    from vixen_pipeline.identity.advance import take_in
    from vixen_pipeline.identity.registry import register_landed

    register_landed(services)
    take_in(services)


def forget_failures(services: Services, keys: Sequence[str], stages: Sequence[str]) -> None:
    """The recorded failures of these avatars in these stages, of any system."""
    from vixen_pipeline.identity.attempts import clear_failure
    from vixen_pipeline.identity.registry import avatar_refs

    refs = avatar_refs(services, keys)
    with services.database.begin() as session:
        for ref in refs.values():
            for stage in stages:
                clear_failure(session, ref.id, stage)


IDENTITY = System(
    name="identity",
    description="From a described avatar to trained weights that inference can use.",
    report="report.identity_status",
    stages=IDENTITY_STAGES,
    advance=_advance,
    work=_work,
    keys=_keys,
    completed=_completed,
    refresh=_refresh,
    forget=forget_failures,
    external={
        "avatars": (avatar_specs.key.to_user_string(),),
        "lora_weights": ("replicate_webhooks",),
    },
    pool="replicate",
)

identity_assets = system_assets(IDENTITY)
identity_drain = drain_job(IDENTITY)
identity_materialize = materialize_job(IDENTITY)
