"""What a stage says about an avatar, in Dagster's words.

Belongs here: pure translation of `StageResult` into materializations, check evaluations,
observations and metadata. Does not: running stages, deciding what a run does next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

import dagster as dg

from vixen_pipeline.stages import Check, Meta, StageResult, StageSpec

COMPLETED = "completed"
"""The check that every stage has besides its own: red with the reason while it fails."""

Event = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation
StepEvent = Event | dg.MaterializeResult[Any]
"""What a step may yield. `Any` is Dagster's own word for the value of a result without one."""


def is_good(spec: StageSpec, result: StageResult) -> bool:
    """Whether the avatar has the product and may go on: no blocking check is less than passed."""
    return result.outcome in ("made", "unchanged") and not failed_checks(spec, result)


def failed_checks(spec: StageSpec, result: StageResult) -> list[Check]:
    """The blocking checks that did not pass; "not measured" is not a pass."""
    return [check for check in all_checks(spec, result) if check.blocking and not check.passed]


def all_checks(spec: StageSpec, result: StageResult) -> list[Check]:
    """The checks that were reported, and those that a finished stage should have reported."""
    reported = list(result.checks)
    if result.outcome not in ("made", "unchanged"):
        return reported
    names = {check.name for check in reported}
    return reported + [
        Check(name, None, "Not measured: the stage did not report it.", blocking)
        for name, blocking in spec.checks
        if name not in names
    ]


def metadata_of(spec: StageSpec, result: StageResult) -> dict[str, dg.MetadataValue]:
    """Every key of the stage's schema, missing ones as null, and whatever else was reported."""
    given = result.metadata
    missing = {name: dg.MetadataValue.null() for name in spec.metadata_schema if name not in given}
    return {**missing, **translate(given)}


def translate(metadata: Mapping[str, Meta]) -> dict[str, dg.MetadataValue]:
    return {name: metadata_value(meta) for name, meta in metadata.items()}


def metadata_value(meta: Meta) -> dg.MetadataValue:
    """One value; None is null whatever the kind, because not measured is not zero."""
    value = meta.value
    if value is None:
        return dg.MetadataValue.null()
    match meta.kind:
        case "int":
            return dg.MetadataValue.int(int(cast("int", value)))
        case "float" | "usd":  # the UI plots floats only; the exact amount is in vixen.cost_entries
            return dg.MetadataValue.float(float(cast("float", value)))
        case "url":
            return dg.MetadataValue.url(str(value))
        case "json":
            return dg.MetadataValue.json(cast("dict[str, object]", value))
        case "markdown":
            return dg.MetadataValue.md(str(value))
        case "timestamp":
            return dg.MetadataValue.timestamp(cast("datetime", value))
        case "table":
            return table(cast("list[dict[str, object]]", value))
        case "text":
            return dg.MetadataValue.text(str(value))


def table(rows: list[dict[str, object]]) -> dg.MetadataValue:
    """A table that the UI renders. Cells that are not numbers, booleans or null become text."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    records = [dg.TableRecord({name: _cell(row.get(name)) for name in columns}) for row in rows]
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table(records=records, schema=schema)


def _cell(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def materialization(spec: StageSpec, result: StageResult) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        asset_key=spec.name, partition=result.avatar, metadata=metadata_of(spec, result)
    )


def observation(spec: StageSpec, result: StageResult) -> dg.AssetObservation:
    """For an avatar that did not get the product in this run: what happened, and what to do."""
    values: dict[str, dg.MetadataValue] = {
        "outcome": dg.MetadataValue.text(result.outcome),
        "error": dg.MetadataValue.text(result.error or ""),
        "next_step": dg.MetadataValue.text(result.next_step or ""),
        "permanent": dg.MetadataValue.bool(result.permanent),
        "waits_for": dg.MetadataValue.text(result.waits_for or ""),
    }
    if result.since is not None:
        values["since"] = dg.MetadataValue.timestamp(result.since)
    return dg.AssetObservation(
        asset_key=spec.name,
        partition=result.avatar,
        description=sentence(spec, result),
        metadata={**values, **translate(result.metadata)},
    )


def sentence(spec: StageSpec, result: StageResult) -> str:
    """One line that says what became of the avatar in this stage, with the next step."""
    where = f"{result.avatar}: {spec.name}"
    if is_good(spec, result):
        return f"{where} {result.outcome}."
    match result.outcome:
        case "waiting":
            since = f" since {result.since:%Y-%m-%d %H:%M} UTC" if result.since else ""
            text = f"{where} waits for {result.waits_for or 'its provider'}{since}."
        case "blocked":
            cause = result.error or f"it needs {result.waits_for or 'an earlier stage'} first"
            text = f"{where} cannot start: {cause.rstrip('.')}."
        case "failed":
            text = f"{where} failed: {(result.error or 'no reason given').rstrip('.')}."
        case "made" | "unchanged":
            reasons = "; ".join(
                f"{check.name}: {check.description}" for check in failed_checks(spec, result)
            )
            text = f"{where} does not pass its checks: {reasons.rstrip('.')}."
    return f"{text} {result.next_step}" if result.next_step else text


def recorded(
    spec: StageSpec,
    result: StageResult,
    log_event: Callable[[dg.AssetCheckEvaluation], None],
    *,
    head: bool = True,
) -> Iterator[Event]:
    """Everything to be recorded of one result; `head` False leaves out the materialization.

    A blocking check that failed goes through `log_event`: yielded, it would make Dagster fail the
    whole step for all avatars. It comes first, because Dagster writes what was logged when the
    next event is yielded, and loses it when the step raises before that.
    """
    evaluations = list(check_evaluations(spec, result))
    blocked = [e for e in evaluations if e.blocking and not e.passed]
    for evaluation in blocked:
        log_event(evaluation)
    if head or blocked:
        made = result.outcome in ("made", "unchanged")
        yield materialization(spec, result) if made else observation(spec, result)
    yield from (e for e in evaluations if e not in blocked)


def check_evaluations(spec: StageSpec, result: StageResult) -> Iterator[dg.AssetCheckEvaluation]:
    """One evaluation per check of this avatar, and whether the stage is complete for it."""
    for check in all_checks(spec, result):
        yield _evaluation(spec, result.avatar, check)
    if result.outcome in ("made", "unchanged", "failed"):
        done = result.outcome != "failed"
        said = "The stage is complete." if done else sentence(spec, result)
        yield _evaluation(spec, result.avatar, Check(COMPLETED, done, said))


def _evaluation(spec: StageSpec, avatar: str, check: Check) -> dg.AssetCheckEvaluation:
    measured = check.passed is not None
    severity = dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(spec.name),
        check_name=check.name,
        passed=bool(check.passed),
        description=check.description,
        severity=severity,
        blocking=check.blocking,
        partition=avatar,
        metadata={"measured": dg.MetadataValue.bool(measured), **translate(check.metadata)},
    )
