"""The jobs of a system: the drain that sensors ask for, and any set of avatars by hand.

Belongs here: declaring jobs, and reading their config into plain values. Does not: the work
(assets/drain.py, assets/batch.py).

No `from __future__ import annotations` here: Dagster reads the parameter types of operations.
"""
# Dagster's config classes and decorators are untyped for the checker at this edge.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from assets.batch import Batch, Told
from assets.drain import Drain
from assets.events import StepEvent
from assets.factory import BatchConfig
from assets.system import System
from resources.core import RESOURCE_KEY, services_of
from vixen_pipeline.stages import Progress, no_progress


class DrainConfig(dg.Config):
    """What the sensor sets, and an operator may."""

    avatars: list[str] = Field(default=[], description="Only these; empty: all with work.")
    stages: list[str] = Field(default=[], description="Only these; empty: all.")
    linger_seconds: float = Field(
        default=10.0, ge=0, description="How long to look for more after the last find."
    )
    max_seconds: float = Field(
        default=900.0, gt=0, description="No new round starts after this; the sensor starts anew."
    )


class MaterializeConfig(BatchConfig):
    """Which avatars and assets, besides what a run over partitions takes."""

    avatars: list[str] = Field(description="Partition keys.")
    stages: list[str] = Field(default=[], description="Assets; empty: all of the system.")


def drain_name(system: System) -> str:
    return f"{system.name}_drain"


def materialize_name(system: System) -> str:
    return f"{system.name}_materialize"


def drain_job(system: System) -> dg.JobDefinition:
    """The unpartitioned job that the system's sensor asks for.

    It takes no pool slot: there is one at a time anyway, and it must not wait behind backfills.
    """

    @dg.op(
        name=f"{drain_name(system)}_op",  # unique over all jobs; in its job it is `drain`
        description="Rounds over what can be done now; ends when nothing is found for a while.",
        required_resource_keys={RESOURCE_KEY},
        out={},
    )
    def drain(context: dg.OpExecutionContext, config: DrainConfig) -> Iterator[StepEvent]:
        yield from Drain(
            context=context,
            services=services_of(context),
            system=system,
            avatars=tuple(config.avatars),
            stages=system.selected(config.stages),
            linger_seconds=config.linger_seconds,
            max_seconds=config.max_seconds,
        ).run()

    @dg.job(
        name=drain_name(system),
        description="Does what can be done now for all avatars, in one process.",
        # The sensor starts the next one; a run retry beside it would be a second machine.
        tags={"vixen/system": system.name, "dagster/max_retries": "0"},
    )
    def job() -> None:
        drain.alias("drain")()

    return job


def materialize_job(
    system: System, *, progress: Progress = no_progress, told: Told | None = None
) -> dg.JobDefinition:
    """Any set of avatars in one run: a range of partitions only joins neighbours by age.

    `vixen materialize` runs it in its own process and listens with `progress` and `told`; each
    avatar is recorded on its own partition.
    """

    @dg.op(
        name=f"{materialize_name(system)}_op",
        description="The chosen assets of the chosen avatars.",
        required_resource_keys={RESOURCE_KEY},
        out={},
        pool=system.pool,
    )
    def materialize(
        context: dg.OpExecutionContext, config: MaterializeConfig
    ) -> Iterator[StepEvent]:
        yield from Batch(
            context=context,
            services=services_of(context),
            system=system,
            stages=system.selected(config.stages),
            keys=tuple(config.avatars),
            wait_seconds=config.wait_seconds,
            retry_failed=config.retry_failed,
            progress=progress,
            told=told,
        ).run()

    @dg.job(
        name=materialize_name(system),
        description="Makes the chosen assets of any avatars in one run.",
        tags={"vixen/system": system.name},
    )
    def job() -> None:
        materialize.alias("materialize")()

    return job
