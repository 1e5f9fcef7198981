"""The core's services as a Dagster resource.

Belongs here: turning the process's settings into `Services` for one run or one sensor tick.
Does not: behaviour, defaults of settings (vixen_pipeline.settings has them), secrets in resource
config: that is stored with each run and shown to everyone who may look at the UI.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

RESOURCE_KEY = "vixen"
EVENT_LOG_KEY = "event_log"

# boto3 1.36 and later send checksum trailers that R2 refuses. By environment, because Dagster's
# own S3 classes (compute logs, S3Resource) have no option for it.
_CHECKSUMS = {
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}


class VixenResource(dg.ConfigurableResource[Any]):
    """Yields `vixen_pipeline.services.Services` for one run, and closes it afterwards.

    Nothing is read or connected before a run or a tick starts. Every setting comes from the
    `VIXEN_*` variables of the process and from `<VIXEN_HOME>/runtime.json`.
    """

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Services]:
        """Raises SettingsMissing that names everything missing, before any work begins."""
        from vixen_pipeline.services import Services
        from vixen_pipeline.settings import load_settings, require_settings

        for name, value in _CHECKSUMS.items():
            os.environ.setdefault(name, value)
        settings = load_settings()
        require_settings(settings)
        services = Services(settings, run_id=context.run.run_id if context.run else None)
        try:
            yield services
        finally:
            services.close()

    def create_resource(self, context: dg.InitResourceContext) -> Services:
        raise NotImplementedError("services have to be closed: yield_for_execution makes them")


def services_of(context: object) -> Services:
    """The services, from any Dagster context that requires the resource `vixen`.

    Dagster hands resources out untyped; this is the one place where they get their type back.
    """
    services: Services = getattr(context.resources, RESOURCE_KEY)  # pyright: ignore
    return services


class EventLogDatabase(dg.ConfigurableResource[Any]):
    """Address of the database that holds Dagster's own event log, for its retention job."""

    url: str


def event_log_url(context: object) -> str:
    """The address in the resource `event_log`, typed again like `services_of`."""
    database: EventLogDatabase = getattr(context.resources, EVENT_LOG_KEY)  # pyright: ignore
    return database.url


def default_resources() -> dict[str, object]:
    """What a code location runs with. The one place that names environment variables of Dagster."""
    return {
        RESOURCE_KEY: VixenResource(),
        EVENT_LOG_KEY: EventLogDatabase(url=dg.EnvVar("VIXEN_DAGSTER_PG_URL")),
    }
