"""The supervisor of `vixen up` and `vixen demo`: everything starts, stays up, and stops.

Belongs here: the order of things. Does not: what the processes are (plan.py), one process
(child.py), how it all ends (shutdown.py).

All children are started by one thread of ours, which lives from start to stop: on Linux the kernel
ends them when that thread's process dies, even by kill -9.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from vixen_pipeline.db import embedded
from vixen_pipeline.errors import Unavailable, VixenError
from vixen_pipeline.runtime import addresses, checks, databases, leftovers, lost_runs, plan
from vixen_pipeline.runtime.child import Child, cap, tail
from vixen_pipeline.runtime.deaths import Deaths
from vixen_pipeline.runtime.environment import child_environment
from vixen_pipeline.runtime.shutdown import Shutdown
from vixen_pipeline.runtime.signals import interrupt_on_signals
from vixen_pipeline.runtime.uplock import UpLock
from vixen_pipeline.settings import Settings, require_settings

POLL_S = 0.1
DATABASE_EVERY_S = 1.0
LOGS_EVERY_S = 5.0

POSTGRES = "postgres"


def say_nothing(_: str) -> None:
    """The default of `on_event`."""


class _StopRequested(Exception):
    """Ends the start early."""


class Supervisor:
    """Runs an instance. `on_event` gets one line per event, from a thread of ours.

    start → wait → stop. `ui=False` leaves the webserver out, `dagster=False` all of Dagster.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_event: Callable[[str], None] = say_nothing,
        ui: bool = True,
        dagster: bool = True,
    ) -> None:
        self.settings = settings
        self.home: Path = settings.home.resolve()
        self.urls: dict[str, str] = {}
        self._say = on_event
        self._ui = ui and dagster
        self._dagster = dagster
        self._lock = UpLock(self.home)
        self._deaths = Deaths()
        self._children: dict[str, Child] = {}
        self._databases: databases.Databases | None = None
        self._up, self._over, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._shutdown = Shutdown(self._say)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="vixen-supervisor")
        self._restore_signals: Callable[[], None] = lambda: None

    # ---- for the caller -------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything and return when all of it is ready.

        Raises Busy (another one runs here), SettingsMissing, or Unavailable naming the process
        that failed with its last lines; whatever had started is stopped again by then. In the main
        thread, TERM and HUP are KeyboardInterrupt from here until `stop`.
        """
        self._lock.acquire()
        self._restore_signals = interrupt_on_signals()
        self._thread.start()
        try:
            while not self._up.wait(POLL_S) and not self._over.is_set():
                pass
        except BaseException:
            self.stop()
            raise
        if self._over.is_set():
            self._restore_signals()
            self._raise_failure()

    def wait(self) -> None:
        """Until Ctrl-C, TERM or HUP arrives, or a process keeps dying (then raises Unavailable)."""
        try:
            while not self._over.wait(POLL_S):
                pass
        except KeyboardInterrupt:
            return
        self._raise_failure()

    def stop(self) -> None:
        """Stop everything, Postgres last. A second Ctrl-C meanwhile ends it without patience."""
        if self._thread.ident is None:
            return  # never started
        self._stop.set()
        while not self._over.is_set():
            try:
                # Not join(): interrupted at a bad moment it takes the thread for ended.
                self._over.wait()
            except KeyboardInterrupt:
                self._say("stopping now")
                self._shutdown.hurry()
        self._restore_signals()
        self._thread.join()

    def pids(self) -> dict[str, int]:
        """Pid of each live child, and of the embedded server."""
        found = {name: child.pid for name, child in self._children.items() if child.running}
        if self.settings.database_url is None:
            found[POSTGRES] = embedded.state(self.settings.postgres_dir).pid
        return {name: pid for name, pid in found.items() if pid is not None}

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    # ---- in our own thread ----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._bring_up()
            self._up.set()
            self._watch()
        except _StopRequested:
            pass
        except BaseException as error:  # noqa: BLE001 - this thread's edge: the caller's thread raises it
            self._failure = error
        try:
            self._shutdown.take_down(self._children, self.home)
            if self._databases is not None and self._databases.embedded:
                embedded.stop(self.settings.postgres_dir)
                self._say("postgres stopped")
        except VixenError as error:
            self._failure = self._failure or error
        finally:
            self._lock.release()
            self._over.set()

    def _bring_up(self) -> None:
        left = leftovers.marked(self.home)
        if left:
            self._say(f"ending {len(left)} processes that a killed `vixen up` left behind")
            leftovers.end(left)
        chosen = addresses.choose_addresses(self.settings)
        values = addresses.runtime_values(self.settings, chosen, self.home)
        lower = {name.removeprefix("VIXEN_").lower(): value for name, value in values.items()}
        require_settings(Settings.model_validate({**self.settings.model_dump(), **lower}))
        begun = time.monotonic()
        self._databases = databases.make_ready(self.settings)
        self._say(f"postgres ready ({time.monotonic() - begun:.1f} s)")
        addresses.write_runtime(self.home, values)
        variables = child_environment(self._databases, values, self.home)
        specs = plan.processes(
            self.settings, self._databases, chosen, self.home, ui=self._ui, dagster=self._dagster
        )
        self.urls = {spec.name: spec.address for spec in specs if spec.address}
        spawned = time.time()
        for spec in specs:
            self._children[spec.name] = Child(spec, variables, self.home / "logs")
            self._children[spec.name].start()
        self._migrate()
        self._wait_until_ready()
        if self._ui and self._databases.embedded:
            for line in lost_runs.close(self.urls["webserver"], before=spawned):
                self._say(line)

    def _migrate(self) -> None:
        """While the others still import: none of them reads our tables within a second."""
        from vixen_pipeline.db import migrate

        assert self._databases is not None
        migrate.upgrade(self._databases.main)

    def _wait_until_ready(self) -> None:
        while pending := [child for child in self._children.values() if not child.ready]:
            for child in pending:
                if self._stop.is_set():
                    raise _StopRequested
                why = self._look(child)
                if why is not None and why.startswith(checks.LOCATION_DOES_NOT_LOAD):
                    log = self.home / "logs" / "code-server.log"
                    raise Unavailable(f"{why}.", next_step=f"See {log}.")
                if why is not None and time.time() - child.started_at > child.spec.ready_timeout_s:
                    raise _failed(child, f"is not ready: {why}")
            self._stop.wait(POLL_S)

    def _look(self, child: Child) -> str | None:
        """None when it became ready, which is then said; else why it is not."""
        if not child.running:
            raise _failed(child, f"ended while starting ({child.ended_how()})")
        why = child.spec.ready(child.started_at)
        if why is None:
            child.ready = True
            seconds = time.time() - child.started_at
            self._say(f"{child.spec.name} ready {child.spec.address} ({seconds:.1f} s)")
        return why

    def _watch(self) -> None:
        next_database = next_logs = 0.0
        while not self._stop.wait(POLL_S):
            now = time.monotonic()
            for child in self._children.values():
                self._tend(child, now)
            if now >= next_database:
                self._tend_database(now)
                next_database = now + DATABASE_EVERY_S
            if now >= next_logs:
                for log in (self.home / "logs").glob("*.log"):
                    cap(log)
                next_logs = now + LOGS_EVERY_S

    def _tend(self, child: Child, now: float) -> None:
        name = child.spec.name
        if child.running:
            if not child.ready:
                self._look(child)
        elif self._deaths.due(name, now):
            child.start()
        elif not self._deaths.waiting(name):
            seconds = self._deaths.record(name, now)
            if seconds is None:
                raise _failed(child, f"keeps dying ({child.ended_how()})")
            last = "".join(f"\n    {text}" for text in child.last_lines())
            self._say(f"{name} ended ({child.ended_how()}), again in {seconds:g} s{last}")

    def _tend_database(self, now: float) -> None:
        if self.settings.database_url is not None:
            return
        data_dir = self.settings.postgres_dir
        if embedded.state(data_dir).running:
            return
        if not self._deaths.waiting(POSTGRES):
            seconds = self._deaths.record(POSTGRES, now)
            if seconds is None:
                last = " | ".join(tail(embedded.log_path(data_dir)))
                raise Unavailable(
                    f"postgres keeps dying: {last}.",
                    next_step=f"See {embedded.log_path(data_dir)}.",
                )
            self._say(f"postgres ended, again in {seconds:g} s")
        elif self._deaths.due(POSTGRES, now):
            try:
                embedded.start(data_dir)
            except Unavailable as error:
                self._say(str(error))
                return
            self._say("postgres ready again")


def _failed(child: Child, what: str) -> Unavailable:
    last = "".join(f"\n    {text}" for text in child.last_lines())
    return Unavailable(f"{child.spec.name} {what}. Its last lines:{last}\n  See {child.log}.")
