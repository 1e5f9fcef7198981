"""The composed core: settings in, services out, each made on first use.

Belongs here: wiring. Does not: behaviour. Anything may be replaced in the constructor, which is
how tests inject fakes; nothing is a global.
"""

from __future__ import annotations

from functools import cached_property

from vixen_pipeline.clock import Clock, SystemClock
from vixen_pipeline.db.session import Database
from vixen_pipeline.settings import Settings


class Services:
    """One per process edge (a run, a command, a test). `close` gives everything back."""

    def __init__(
        self,
        settings: Settings,
        *,
        database: Database | None = None,
        clock: Clock | None = None,
        run_id: str | None = None,
    ) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.run_id = run_id
        self._database = database

    @cached_property
    def database(self) -> Database:
        if self._database is not None:
            return self._database
        if self.settings.database_url is not None:
            return Database(self.settings.database_url.get_secret_value())
        from vixen_pipeline.db import embedded

        return Database(embedded.ensure_running(self.settings.postgres_dir))

    def close(self) -> None:
        if "database" in self.__dict__ and self._database is None:
            self.database.dispose()
