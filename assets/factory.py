"""From the stages of one system to its assets.

Belongs here: the declaration of assets and checks from `StageSpec`. Does not: what happens in a
run (assets/batch.py), any stage.

One operation computes all assets of a system, any subset of them at a time. Within one step per
asset, Dagster could only stop the next step for *all* avatars of the run when one of them fails;
within one operation the others go on, and the failed ones are named.

No `from __future__ import annotations` here: Dagster reads the parameter types of operations.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from assets.batch import Batch, BatchConfig
from assets.events import COMPLETED, StepEvent
from assets.partitions import avatar_partitions
from resources.core import RESOURCE_KEY, services_of
from vixen_pipeline.stages import StageSpec

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

Refresh = Callable[["Services"], object]
"""Takes in what providers reported since the last look (landed webhooks, polls that are due)."""


@dataclass(frozen=True, slots=True)
class System:
    """One system of the pipeline as the Dagster ring sees it.

    `stages` in the order in which they run; `refresh` runs before each stage; `external` names,
    per stage, what it is made from outside of the asset graph; `pool` bounds the number of
    concurrent runs.
    """

    name: str
    description: str
    stages: tuple[StageSpec, ...]
    refresh: Refresh | None = None
    external: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    pool: str | None = None

    def selected(self, names: Sequence[str] | set[str] | frozenset[str]) -> tuple[StageSpec, ...]:
        """The stages named, in running order; all of them when none is named."""
        return tuple(stage for stage in self.stages if not names or stage.name in names)


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
        targets = {key.to_user_string() for key in context.selected_asset_keys} | {
            key.asset_key.to_user_string() for key in context.selected_asset_check_keys
        }
        batch = Batch(
            context=context,
            services=services_of(context),
            stages=system.selected(targets),
            keys=tuple(context.partition_keys),
            refresh=system.refresh,
            wait_seconds=config.wait_seconds,
        )
        yield from batch.run()

    return compute


def asset_spec(system: System, stage: StageSpec) -> dg.AssetSpec:
    owner = stage.owner if stage.owner.startswith("team:") or "@" in stage.owner else None
    schema = ", ".join(f"`{name}`" for name in stage.metadata_schema)
    return dg.AssetSpec(
        key=stage.name,
        deps=[*stage.deps, *system.external.get(stage.name, ())],
        description=stage.description,
        group_name=system.name,
        owners=[owner or f"team:{stage.owner}"],
        kinds=set(stage.kinds),
        tags={"vixen/system": system.name} | ({"vixen/pool": stage.pool} if stage.pool else {}),
        metadata={
            "recorded_per_avatar": dg.MetadataValue.md(schema or "nothing"),
            "by_hand": dg.MetadataValue.md(f"`vixen materialize {stage.name} --avatar KEY`"),
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


def external_asset(key: str, *, system: str, description: str, kinds: set[str]) -> dg.AssetSpec:
    """Something that others make and an asset starts from; shown in the lineage."""
    return dg.AssetSpec(
        key=key, description=description, group_name=system, kinds=kinds, owners=["team:operations"]
    )
