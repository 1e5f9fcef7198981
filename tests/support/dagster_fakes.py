"""A made-up system of three stages for tests of the Dagster ring: no database, no provider.

Belongs here: stages whose outcomes a test dictates. Does not: assertions, fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from assets.factory import System
from vixen_pipeline.clock import ManualClock
from vixen_pipeline.stages import Check, Meta, Progress, StageProgress, StageResult, StageSpec


@dataclass
class FakeServices:
    """Stands where `Services` stand; the fake stages keep what they made here."""

    clock: ManualClock = field(default_factory=ManualClock)
    made: set[tuple[str, str]] = field(default_factory=set)
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)


Say = Callable[[str, str], StageResult | None]


def fake_stage(name: str, deps: tuple[str, ...], say: Say) -> StageSpec:
    """A stage that makes everything, unless `say(stage, avatar)` has another result."""

    def run(services: Any, keys: Sequence[str], progress: Progress) -> list[StageResult]:
        services.calls.append((name, tuple(keys)))
        results = []
        for key in keys:
            progress(StageProgress(name, key, 1, 1))
            said = say(name, key)
            if said is not None:
                results.append(said)
                continue
            outcome = "unchanged" if (name, key) in services.made else "made"
            services.made.add((name, key))
            results.append(good(key, outcome))
        return results

    return StageSpec(
        name=name,
        system="fakes",
        deps=deps,
        description=f"Makes {name}.",
        owner="team:identity",
        kinds=("python", "postgres"),
        checks=(("sharp", True), ("pretty", False)),
        metadata_schema=("items", "usd", "seconds"),
        run=run,
        pool="replicate",
    )


def good(key: str, outcome: Any = "made", *, sharp: bool | None = True) -> StageResult:
    """A result with its metadata and checks; `sharp` is the blocking check."""
    return StageResult(
        avatar=key,
        outcome=outcome,
        metadata={"items": Meta("int", 3), "usd": Meta("usd", "0.25")},
        checks=(
            Check("sharp", sharp, "Edges are there." if sharp else "Edges are missing."),
            Check("pretty", True, "Looks fine.", blocking=False),
        ),
        next_step=None if sharp else "Look at the picture.",
    )


def failed(key: str, *, permanent: bool = True) -> StageResult:
    return StageResult(
        avatar=key,
        outcome="failed",
        error="the provider refused the prompt",
        next_step="Change the spec and add it again.",
        permanent=permanent,
    )


def fake_system(say: Say = lambda _stage, _key: None) -> System:
    """first → second → third, all per avatar."""
    return System(
        name="fakes",
        description="Three made-up stages.",
        stages=(
            fake_stage("first", (), say),
            fake_stage("second", ("first",), say),
            fake_stage("third", ("second",), say),
        ),
    )
