"""One run over the chosen stages for a set of avatars, when an operator asks for them.

Belongs here: stage by stage, who goes on, what is recorded, how the run ends. Does not: the
translation to events (assets/events.py), the reaction to landed facts (assets/drain.py).

One avatar's failure never touches another's: it stops going down the stages, its failure is
recorded on its own partition, and at the end the run fails with one line for each of them. Waiting
for a training is not a failure: the run ends, and the drain goes on when the training has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

import dagster as dg

from assets.events import StepEvent, is_good, metadata_of, recorded, sentence
from vixen_pipeline.stages import Progress, StageProgress, StageResult, StageSpec, no_progress

if TYPE_CHECKING:
    from assets.system import System
    from vixen_pipeline.services import Services

POLL_SECONDS = 1.0
TRANSIENT_RETRIES = 2
TRANSIENT_DELAY = 10.0

StepContext = dg.AssetExecutionContext | dg.OpExecutionContext
Told = Callable[[StageSpec, StageResult], None]


@dataclass
class Batch:
    """The state of one run. `keys` are partition keys; all of `stages` are in running order.

    `outputs` are the assets whose ordinary output this step may yield; the others are recorded
    partition by partition.
    """

    context: StepContext
    services: Services
    system: System
    stages: tuple[StageSpec, ...]
    keys: tuple[str, ...]
    wait_seconds: float = 0.0
    retry_failed: bool = False
    outputs: frozenset[str] = frozenset()
    progress: Progress = no_progress
    told: Told | None = None
    stopped: dict[str, StageResult] = field(default_factory=dict[str, StageResult])
    failures: list[tuple[StageSpec, StageResult]] = field(
        default_factory=list[tuple[StageSpec, StageResult]]
    )
    logged: dict[str, int] = field(default_factory=dict[str, int])

    def run(self) -> Iterator[StepEvent]:
        """Raises Failure at the end that names every avatar that failed, with its next step."""
        if self.retry_failed and self.system.forget is not None:
            self.system.forget(self.services, self.keys, [stage.name for stage in self.stages])
        for stage in self.stages:
            going = [key for key in self.keys if key not in self.stopped]
            if not going:
                break
            results = self._results(stage, going)
            yield from self._record(stage, results)
        self._raise_failures()

    def _results(self, stage: StageSpec, keys: list[str]) -> list[StageResult]:
        """One result per key; what waits is asked again until it ends or `wait_seconds` is over."""
        give_up = monotonic() + self.wait_seconds
        results: dict[str, StageResult] = {}
        asked = keys
        while True:
            if self.system.refresh is not None:
                self.system.refresh(self.services)
            results |= {r.avatar: r for r in stage.run(self.services, asked, self._progress)}
            asked = [key for key in keys if results[key].outcome == "waiting"]
            if not asked or monotonic() >= give_up:
                return [results[key] for key in keys]
            self.services.clock.sleep(POLL_SECONDS)

    def _record(self, stage: StageSpec, results: list[StageResult]) -> Iterator[StepEvent]:
        """Everybody's events. The ordinary output of the asset only if all keys of the run have it.

        Dagster turns an output into a materialization of *every* partition of the run; when some
        are missing, those that are there are recorded one by one instead.
        """
        for result in results:
            self._tell(stage, result)
        whole = len(results) == len(self.keys) and all(is_good(stage, r) for r in results)
        whole = whole and stage.name in self.outputs
        if whole and isinstance(self.context, dg.AssetExecutionContext):
            for result in results:
                self.context.add_asset_metadata(
                    metadata_of(stage, result), asset_key=stage.name, partition_key=result.avatar
                )
            yield dg.MaterializeResult(asset_key=stage.name)
        for result in results:
            yield from recorded(stage, result, self._log_event, head=not whole)

    def _log_event(self, evaluation: dg.AssetCheckEvaluation) -> None:
        self.context.log_event(evaluation)  # pyright: ignore[reportArgumentType] - taken, untyped

    def _tell(self, stage: StageSpec, result: StageResult) -> None:
        """One log line per avatar and stage, and who stops here."""
        if self.told is not None:
            self.told(stage, result)
        if is_good(stage, result):
            return  # the materialization is its log line
        line = sentence(stage, result)
        self.stopped[result.avatar] = result
        if result.outcome == "waiting":
            self.context.log.info(f"{line} It goes on by itself; nothing has to be done.")
            return
        self.failures.append((stage, result))
        self.context.log.error(line)

    def _progress(self, progress: StageProgress) -> None:
        """A few log lines per avatar and stage, however many items it has: each is an event."""
        self.progress(progress)
        quarter = 4 * progress.done // max(progress.total, 1)
        name = f"{progress.stage} {progress.avatar}"
        if self.logged.get(name) != quarter:
            self.logged[name] = quarter
            self.context.log.debug(f"{name}: {progress.done} of {progress.total}")

    def _raise_failures(self) -> None:
        """Only what may pass by itself is tried again by Dagster, and only a few times.

        `RetryRequested` and not a retry policy: a policy would also restart a step whose run an
        operator has just terminated.
        """
        if not self.failures:
            return
        failure = failure_of(self.failures, total=len(self.keys))
        passing = all(
            result.outcome == "failed" and not result.permanent for _, result in self.failures
        )
        if passing and self.context.retry_number < TRANSIENT_RETRIES:
            raise dg.RetryRequested(TRANSIENT_RETRIES, TRANSIENT_DELAY) from failure
        raise failure


def failure_of(failures: list[tuple[StageSpec, StageResult]], *, total: int) -> dg.Failure:
    """One line for each avatar that failed, with its next step; no machine may retry it."""
    lines = [sentence(stage, result) for stage, result in failures]
    noun = "avatar" if total == 1 else "avatars"
    return dg.Failure(
        description="\n".join([f"{len(lines)} of {total} {noun} did not get there:", *lines]),
        metadata={
            "failed": dg.MetadataValue.json([result.avatar for _, result in failures]),
            "stages": dg.MetadataValue.json({r.avatar: stage.name for stage, r in failures}),
        },
        allow_retries=False,
    )
