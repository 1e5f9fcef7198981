"""A made-up system of three stages for tests of the Dagster ring: no database, no provider.

Belongs here: stages whose outcomes a test dictates. Does not: assertions, fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from assets.system import OnResult, System
from vixen_pipeline.clock import ManualClock
from vixen_pipeline.stages import Check, Meta, Progress, StageProgress, StageResult, StageSpec


@dataclass
class FakeLocks:
    """One process's view of locks; `taken` are held by somebody else."""

    taken: set[tuple[str, str]] = field(default_factory=set)

    @contextmanager
    def hold(self, namespace: str, key: str) -> Generator[bool]:
        yield (namespace, key) not in self.taken

    def try_acquire(self, namespace: str, key: str) -> bool:
        return (namespace, key) not in self.taken

    def release(self, namespace: str, key: str) -> None:
        pass


@dataclass
class FakeServices:
    """Stands where `Services` stand; the fake stages keep what they made here."""

    clock: ManualClock = field(default_factory=ManualClock)
    locks: FakeLocks = field(default_factory=FakeLocks)
    avatars: list[str] = field(default_factory=list)
    made: set[tuple[str, str]] = field(default_factory=set)
    gave_up: set[tuple[str, str]] = field(default_factory=set)
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    lands_later: list[list[str]] = field(default_factory=list)
    breaks: Exception | None = None

    def ready(self, stage: StageSpec) -> list[str]:
        return [
            key
            for key in self.avatars
            if (stage.name, key) not in self.made | self.gave_up
            and all((dep, key) in self.made for dep in stage.deps)
        ]


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
    stages = (
        fake_stage("first", (), say),
        fake_stage("second", ("first",), say),
        fake_stage("third", ("second",), say),
    )

    def advance(
        services: Any,
        keys: Sequence[str] | None,
        stages: Sequence[StageSpec],
        progress: Progress,
        on_result: OnResult,
    ) -> None:
        if services.breaks is not None:
            raise services.breaks
        for stage in stages:
            ready = [key for key in services.ready(stage) if keys is None or key in keys]
            for result in stage.run(services, ready, progress) if ready else []:
                if result.outcome == "failed":
                    services.gave_up.add((stage.name, result.avatar))
                on_result(stage.name, result)

    def work(services: Any) -> list[str]:
        if services.lands_later:
            services.avatars += services.lands_later.pop(0)
        return [f"{key} {stage.name}" for stage in stages for key in services.ready(stage)]

    def completed(services: Any) -> dict[str, set[str]]:
        return {s.name: {key for name, key in services.made if name == s.name} for s in stages}

    return System(
        name="fakes",
        description="Three made-up stages.",
        report="report.fakes",
        stages=stages,
        advance=advance,
        work=work,
        keys=lambda services: services.avatars,
        completed=completed,
    )
