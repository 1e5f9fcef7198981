"""`vixen materialize`, the part that knows Dagster: one run in this process, no daemon.

Belongs here: turning a request into a run, showing its progress, its result and exit code. Does
not: reading options and avatars (vixen_pipeline/cli/materialize.py starts this module as a
process of its own, because the core imports no Dagster), what happens in the run.

    python -m assets.materialize '{"selection": "personas+", "avatars": ["fitness:luna"], …}'
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg
from pydantic import TypeAdapter

from assets.batch import Told
from assets.events import is_good
from assets.jobs import materialize_job
from assets.partitions import add_missing
from assets.selection import resolve
from assets.system import System
from resources.core import default_resources
from vixen_pipeline.cli.console import fail, line, note, print_json
from vixen_pipeline.errors import Unavailable, UserError, VixenError
from vixen_pipeline.stages import Progress, StageResult, StageSpec, no_progress

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The run's log is in the UI; the terminal shows progress."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for. `avatars` are keys; `wait_seconds` for what providers work on."""

    selection: str
    avatars: tuple[str, ...] = ()
    wait_seconds: float = 0.0
    retry_failed: bool = False
    as_json: bool = False
    dagster_url: str | None = None


@dataclass
class Report:
    """What came of it, in the order in which it happened.

    `error` is why a run failed as a whole, `broken` the exit code for that.
    """

    results: list[tuple[StageSpec, StageResult]] = field(
        default_factory=list[tuple[StageSpec, StageResult]]
    )
    unpartitioned: dict[str, bool] = field(default_factory=dict[str, bool])
    runs: list[str] = field(default_factory=list[str])
    error: str | None = None
    broken: int = 1

    def latest(self) -> dict[tuple[str, str], tuple[StageSpec, StageResult]]:
        """The last word per stage and avatar: a step that was tried again reports twice."""
        return {(spec.name, result.avatar): (spec, result) for spec, result in self.results}

    @property
    def exit_code(self) -> int:
        if self.error is not None:
            return self.broken
        complete = all(is_good(spec, result) for spec, result in self.latest().values())
        return 0 if complete and all(self.unpartitioned.values()) else 1

    def fail(self, result: dg.ExecuteInProcessResult) -> None:
        """Keep why a run failed, in one line."""
        kind, self.error = _reason(result)
        self.broken = Unavailable.exit_code if kind == Unavailable.__name__ else 1

    def document(self, dagster_url: str | None) -> dict[str, object]:
        """For `--json`."""
        return {
            "complete": self.exit_code == 0,
            "error": self.error,
            "results": [
                {
                    "asset": spec.name,
                    "avatar": result.avatar,
                    "outcome": result.outcome,
                    "complete": is_good(spec, result),
                    "error": result.error,
                    "next_step": result.next_step,
                    "waits_for": result.waits_for,
                    "checks": {check.name: check.passed for check in result.checks},
                }
                for spec, result in self.latest().values()
            ]
            + [
                {
                    "asset": name,
                    "avatar": None,
                    "outcome": "made" if made else "failed",
                    "complete": made,
                }
                for name, made in self.unpartitioned.items()
            ],
            "runs": [
                {"run": run_id, "url": f"{dagster_url}/runs/{run_id}" if dagster_url else None}
                for run_id in self.runs
            ],
        }


def materialize(
    request: Request,
    instance: dg.DagsterInstance,
    assets: Sequence[dg.AssetsDefinition | dg.AssetSpec],
    systems: Sequence[System],
    *,
    resources: Mapping[str, object] | None = None,
    progress: Progress = no_progress,
    told: Told | None = None,
) -> Report:
    """One run per system that the selection touches, then one for what is not per avatar.

    Raises UserError when the request cannot be carried out; failures are in the report.
    """
    selected = resolve(assets, request.selection)
    if selected.partitioned and not request.avatars:
        raise UserError(
            f"{', '.join(selected.partitioned)}: made per avatar, and no avatar is chosen.",
            next_step="Add --avatar KEY, --niche NICHE or --all.",
        )
    report = Report()
    held = {**default_resources(), **(resources or {})}

    def listen(spec: StageSpec, result: StageResult) -> None:
        report.results.append((spec, result))
        if told is not None:
            told(spec, result)

    for system in systems:
        names = [stage.name for stage in system.stages if stage.name in selected.partitioned]
        if names:
            job = materialize_job(system, progress=progress, told=listen)
            _run_system(request, job, names, instance, held, report)
    if selected.unpartitioned:
        _run_unpartitioned(selected.unpartitioned, assets, instance, held, report)
    return report


def _run_system(
    request: Request,
    job: dg.JobDefinition,
    names: list[str],
    instance: dg.DagsterInstance,
    resources: Mapping[str, object],
    report: Report,
) -> None:
    add_missing(instance, list(request.avatars))
    config = {
        "avatars": list(request.avatars),
        "stages": names,
        "wait_seconds": request.wait_seconds,
        "retry_failed": request.retry_failed,
    }
    result = job.execute_in_process(
        run_config={"ops": {"materialize": {"config": config}}, **QUIET},
        resources=dict(resources),
        instance=instance,
        raise_on_error=False,
        tags={"vixen/by": "vixen materialize"},
    )
    report.runs.append(result.run_id)
    _stop_if_interrupted(result)
    if not result.success and report.exit_code == 0:
        report.fail(result)


def _run_unpartitioned(
    names: Sequence[str],
    assets: Sequence[dg.AssetsDefinition | dg.AssetSpec],
    instance: dg.DagsterInstance,
    resources: Mapping[str, object],
    report: Report,
) -> None:
    result = dg.materialize(
        list(assets),
        selection=list(names),
        resources=dict(resources),
        instance=instance,
        run_config=QUIET,
        raise_on_error=False,
        tags={"vixen/by": "vixen materialize"},
    )
    report.runs.append(result.run_id)
    _stop_if_interrupted(result)
    for name in names:
        report.unpartitioned[name] = bool(result.asset_materializations_for_node(name))
    if not result.success:
        report.fail(result)


def _stop_if_interrupted(result: dg.ExecuteInProcessResult) -> None:
    """Dagster turns Ctrl-C into a failed run and returns; a command has to end."""
    if not result.success and _reason(result)[0] == "DagsterExecutionInterruptedError":
        raise KeyboardInterrupt


def _reason(result: dg.ExecuteInProcessResult) -> tuple[str, str]:
    """What kind of error a run failed with, and the first line of what it says."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            if error is None:
                break
            kind = error.cls_name or "Error"
            said = error.message.strip().splitlines()[0]
            return kind, said.removeprefix(f"{kind}: ").rpartition(f".{kind}: ")[2]
        if event.is_failure and event.message:
            return "Error", event.message.strip().splitlines()[0]
    return "Error", "the run failed"


def main(argv: Sequence[str]) -> int:
    """The process edge: a request in, an exit code out (see `vixen --help`)."""
    import os

    from assets.catalog import ASSETS, SYSTEMS
    from assets.terminal import Display

    # Materializations of many partitions are then written in one statement.
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "100")
    request = TypeAdapter(Request).validate_json(argv[0])
    try:
        with dg.DagsterInstance.get() as instance, Display() as display:
            report = materialize(
                request, instance, ASSETS, SYSTEMS, progress=display.progress, told=display.told
            )
    except VixenError as error:
        fail(error, as_json=request.as_json)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    show(report, request)
    return report.exit_code


def show(report: Report, request: Request) -> None:
    """The result; what happened to each avatar has been told as it happened."""
    if request.as_json:
        print_json(report.document(request.dagster_url))
        return
    if report.error is not None:
        note(f"error: {report.error}")
    states = [is_good(spec, result) for spec, result in report.latest().values()]
    states += report.unpartitioned.values()
    line(f"{sum(states)} of {len(states)} complete.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
