"""All assets and jobs, listed by hand. Belongs here: the list. Does not: making any of them."""

from __future__ import annotations

import dagster as dg

from assets.content import CONTENT, content_assets, content_drain, content_materialize
from assets.identity import (
    IDENTITY,
    avatar_specs,
    identity_assets,
    identity_drain,
    identity_materialize,
    replicate_webhooks,
)
from assets.operations import operations_checks, provider_costs
from assets.retention import dagster_retention
from assets.system import System

SYSTEMS: tuple[System, ...] = (IDENTITY, CONTENT)

ASSETS: tuple[dg.AssetsDefinition | dg.AssetSpec, ...] = (
    avatar_specs,
    replicate_webhooks,
    identity_assets,
    content_assets,
    provider_costs,
)

JOBS: tuple[dg.JobDefinition, ...] = (
    identity_drain,
    identity_materialize,
    content_drain,
    content_materialize,
    operations_checks,
    dagster_retention,
)
