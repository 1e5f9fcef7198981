"""The composition root: everything Dagster serves, in one object.

Belongs here: assembling. Does not: anything else, and nobody imports this module. It is the one
module of the core that looks outward, and importing it reads no setting and opens no connection.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from assets.catalog import ASSETS, JOBS
from resources.core import default_resources
from sensors.content import content_sensor
from sensors.failures import run_failures
from sensors.identity import identity_sensor
from sensors.schedules import daily_costs, daily_retention
from sensors.stuck import stuck_work_checks


def build_definitions(overrides: Mapping[str, object] | None = None) -> dg.Definitions:
    """The code location; `overrides` replaces resources by key, which is how tests inject fakes."""
    return dg.Definitions(
        assets=ASSETS,
        jobs=JOBS,
        sensors=[identity_sensor, content_sensor, run_failures],
        schedules=[daily_costs, daily_retention, stuck_work_checks],
        resources={**default_resources(), **(overrides or {})},
        # A process per step would be most of what a run costs; steps wait on the network anyway.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
