"""The drain: one run that does whatever can be done now, for all avatars it concerns.

Belongs here: rounds of `advance`, recording each avatar's results on its own partition, lingering.
Does not: deciding when to start (sensors/decisions.py), what can be done (the core's `advance`).

A sensor asks for it when something has landed. It is one process for any number of avatars, and
keeps looking for a short while after the last find, so that a busy stream needs no new process.

How it ends: **successfully, also when avatars failed.** Their failures are recorded where people
look (the avatar's check `completed` is red and an observation says why and what to do; the core
keeps them with the time of the next try), and a red run for each of them would hide the runs that
are red because something unexpected happened. Those fail, and the sensor tries again with growing
pauses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

import dagster as dg

from assets.events import StepEvent, is_good, recorded, sentence
from assets.partitions import AVATARS
from assets.system import System
from vixen_pipeline.stages import StageProgress, StageResult, StageSpec, no_progress

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

LOCK = "drain"
"""Namespace of the lock that a drain holds while it lives; the key is the system's name."""

LOOK_SECONDS = 0.25

Item = StageResult | StageProgress
Put = Callable[[str, Item], None]


@dataclass
class Drain:
    """The state of one drain run. `recorded` is what Dagster has as materialized, per stage."""

    context: dg.OpExecutionContext
    services: Services
    system: System
    avatars: tuple[str, ...]
    stages: tuple[StageSpec, ...]
    linger_seconds: float
    max_seconds: float
    recorded: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    partitions: set[str] = field(default_factory=set[str])
    made: int = 0
    failed: int = 0

    def run(self) -> Iterator[StepEvent]:
        with self.services.locks.hold(LOCK, self.system.name) as alone:
            if not alone:
                self.context.log.info("Another drain is at work; nothing to do here.")
                return
            for stage in self.stages:
                known = self.context.instance.get_materialized_partitions(dg.AssetKey(stage.name))
                self.recorded[stage.name] = set(known)
            self.partitions = set(self.context.instance.get_dynamic_partitions(AVATARS))
            yield from self._heal()
            yield from self._rounds()
            self.context.log.info(f"{self.made} made, {self.failed} failed.")

    def _heal(self) -> Iterator[StepEvent]:
        """Record what is there but was never recorded: a run was killed between the two."""
        completed = self.system.completed(self.services)
        for stage in self.stages:
            there = self._chosen(completed.get(stage.name, ()))
            missing = sorted(there - self.recorded[stage.name])
            if not missing:
                continue
            self.context.log.info(f"{stage.name}: recording {len(missing)} made earlier.")
            for result in stage.run(self.services, missing, no_progress):
                yield from self._record(stage, result)

    def _chosen(self, keys: Collection[str]) -> set[str]:
        return set(keys) & set(self.avatars) if self.avatars else set(keys)

    def _rounds(self) -> Iterator[StepEvent]:
        """Rounds until nothing has been found for `linger_seconds`, or the time is up."""
        by_name = {stage.name: stage for stage in self.system.stages}
        last_find = monotonic()
        end = last_find + self.max_seconds
        while True:
            for name, item in streamed(self._advance):
                last_find = monotonic()
                if isinstance(item, StageProgress):
                    self._progress(item)
                else:
                    yield from self._record(by_name[name], item)
            if not self._wait_for_work(min(end, last_find + self.linger_seconds)):
                return

    def _wait_for_work(self, until: float) -> bool:
        """Look for work until `until`. A round that found nothing is not repeated at once."""
        while monotonic() < until:
            self.services.clock.sleep(LOOK_SECONDS)
            if self.system.work(self.services):
                return True
        return False

    def _advance(self, put: Put) -> None:
        self.system.advance(
            self.services,
            self.avatars or None,
            self.stages,
            lambda progress: put(progress.stage, progress),
            put,
        )

    def _progress(self, progress: StageProgress) -> None:
        if progress.done == progress.total:
            count = f"{progress.done} of {progress.total}"
            self.context.log.debug(f"{progress.avatar}: {progress.stage}: {count}")

    def _record(self, stage: StageSpec, result: StageResult) -> Iterator[StepEvent]:
        """The events of one result; nothing for what merely waits or was recorded before."""
        if result.outcome in ("waiting", "blocked"):
            self.context.log.debug(sentence(stage, result))
            return
        known = self.recorded.setdefault(stage.name, set())
        if result.outcome == "unchanged" and result.avatar in known:
            return
        self._add_partition(result.avatar)
        if is_good(stage, result):
            self.made += 1  # no log line: the materialization is one, and each line is an insert
        else:
            self.failed += 1
            self.context.log.error(sentence(stage, result))
        if result.outcome != "failed":
            known.add(result.avatar)
        yield from recorded(stage, result, self._log_event)

    def _add_partition(self, avatar: str) -> None:
        if avatar not in self.partitions:
            self.context.instance.add_dynamic_partitions(AVATARS, [avatar])
            self.partitions.add(avatar)

    def _log_event(self, evaluation: dg.AssetCheckEvaluation) -> None:
        self.context.log_event(evaluation)  # pyright: ignore[reportArgumentType] - taken, untyped


def streamed(work: Callable[[Put], object]) -> Iterator[tuple[str, Item]]:
    """What `work` puts, as it comes, from a thread of its own; raises what it raises.

    The thread is a daemon: when an operator terminates the run, the process goes at once. Killed
    anywhere, the core's own state is whole.
    """
    results: SimpleQueue[tuple[str, Item] | None] = SimpleQueue()
    raised: list[BaseException] = []

    def target() -> None:
        try:
            work(lambda name, item: results.put((name, item)))
        except BaseException as error:  # noqa: BLE001 - the thread's edge: raised again below
            raised.append(error)
        finally:
            results.put(None)

    thread = threading.Thread(target=target, name="advance", daemon=True)
    thread.start()
    while (item := results.get()) is not None:
        yield item
    thread.join()
    if raised:
        raise raised[0]
