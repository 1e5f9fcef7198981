"""From the stages of one system to its assets.

Belongs here: the declaration of assets and checks from `StageSpec`. Does not: what happens in a
run (assets/batch.py), any stage.

One operation computes all assets of a system, any subset of them at a time. Within one step per
asset, Dagster could only stop the next step for *all* avatars of the run when one of them fails;
within one operation the others go on, and the failed ones are named.

No `from __future__ import annotations` here: Dagster reads the parameter types of operations.
"""
# Dagster's config classes are untyped for the checker at this edge.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import warnings
from collections.abc import Collection, Iterator

import dagster as dg
from pydantic import Field

from assets.batch import Batch
from assets.events import COMPLETED, StepEvent
from assets.partitions import avatar_partitions
from assets.system import System
from resources.core import RESOURCE_KEY, services_of
from vixen_pipeline.stages import StageSpec


class BatchConfig(dg.Config):
    """What an operator may set in the launchpad."""

    wait_seconds: float = Field(
        default=0.0,
        ge=0,
        description="How long to wait for what is under way at a provider. With 0 the run ends at "
        "once, and the avatar goes on by itself when it is done.",
    )
    retry_failed: bool = Field(
        default=False, description="Try again what has failed for good before."
    )


def system_assets(system: System) -> dg.AssetsDefinition:
    """The partitioned assets of `system`, each with its blocking checks."""

    with warnings.catch_warnings():
        # Partitioned checks are marked as preview in 1.13; the version is pinned and tests hold it.
        warnings.simplefilter("ignore", category=dg.PreviewWarning)
        checks = [check for stage in system.stages for check in check_specs(stage)]

    @dg.multi_asset(
        name=system.name,
        description=system.description,
        specs=[asset_spec(system, stage) for stage in system.stages],
        check_specs=checks,
        can_subset=True,
        partitions_def=avatar_partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={RESOURCE_KEY},
        pool=system.pool,
    )
    def compute(context: dg.AssetExecutionContext, config: BatchConfig) -> Iterator[StepEvent]:
        batch = Batch(
            context=context,
            services=services_of(context),
            system=system,
            stages=system.selected(_targets(context)),
            keys=tuple(context.partition_keys),
            wait_seconds=config.wait_seconds,
            retry_failed=config.retry_failed,
            outputs=frozenset(key.to_user_string() for key in context.selected_asset_keys),
        )
        yield from batch.run()

    return compute


def _targets(context: dg.AssetExecutionContext) -> Collection[str]:
    """The selected assets; a check selected alone stands for its asset, which measures it."""
    assets = {key.to_user_string() for key in context.selected_asset_keys}
    checked = {key.asset_key.to_user_string() for key in context.selected_asset_check_keys}
    return assets | checked


def asset_spec(system: System, stage: StageSpec) -> dg.AssetSpec:
    schema = ", ".join(f"`{name}`" for name in stage.metadata_schema)
    owner = stage.owner if stage.owner.startswith("team:") else f"team:{stage.owner}"
    return dg.AssetSpec(
        key=stage.name,
        deps=[*stage.deps, *system.external.get(stage.name, ())],
        description=stage.description,
        group_name=system.name,
        owners=[owner],
        kinds=set(stage.kinds),
        tags={"vixen/system": system.name} | ({"vixen/pool": stage.pool} if stage.pool else {}),
        metadata={
            "recorded_per_avatar": dg.MetadataValue.md(schema or "nothing"),
            "by_hand": dg.MetadataValue.md(f"`vixen materialize {stage.name} --avatar KEY`"),
            "report": dg.MetadataValue.md(f'`vixen sql "SELECT * FROM {system.report}"`'),
        },
    )


def check_specs(stage: StageSpec) -> Iterator[dg.AssetCheckSpec]:
    """The stage's own checks, and `completed`, which is red with the reason while it fails."""
    for name, blocking in stage.checks:
        yield dg.AssetCheckSpec(
            name,
            asset=stage.name,
            blocking=blocking,
            description=name.replace("_", " ").capitalize() + ", per avatar.",
            partitions_def=avatar_partitions,
        )
    yield dg.AssetCheckSpec(
        COMPLETED,
        asset=stage.name,
        blocking=True,
        description="The stage is complete for the avatar; if not: why, and what to do.",
        partitions_def=avatar_partitions,
    )
