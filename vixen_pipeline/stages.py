"""What every stage of every system speaks: sets of avatars in, one result per avatar out.

Belongs here: the values exchanged between services and the Dagster ring. Does not: any stage.
A stage takes *many* avatars, does what is cheap for all of them at once and what waits on
providers concurrently, and never lets one avatar's failure touch another's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

Outcome = Literal["made", "unchanged", "waiting", "blocked", "failed"]
"""made: newly complete. unchanged: was complete already. waiting: submitted, ends later.
blocked: an earlier stage is missing. failed: tried, with `error`."""

MetaKind = Literal["text", "int", "float", "usd", "url", "json", "markdown", "timestamp", "table"]


@dataclass(frozen=True, slots=True)
class Meta:
    """One metadata value; `kind` says how the UI shows it. No tokens, presigned URLs, DM text."""

    kind: MetaKind
    value: object


@dataclass(frozen=True, slots=True)
class Check:
    """One asset check result of one avatar. `passed=None` is "not measured": never a pass."""

    name: str
    passed: bool | None
    description: str
    blocking: bool = True
    metadata: dict[str, Meta] = field(default_factory=dict[str, Meta])


@dataclass(frozen=True, slots=True)
class StageResult:
    """What happened to one avatar in one stage."""

    avatar: str
    outcome: Outcome
    metadata: dict[str, Meta] = field(default_factory=dict[str, Meta])
    checks: tuple[Check, ...] = ()
    error: str | None = None
    next_step: str | None = None
    permanent: bool = False
    waits_for: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class StageProgress:
    """A step forward inside a stage, for progress bars: `done` of `total` items of one avatar."""

    stage: str
    avatar: str
    done: int
    total: int


Progress = Callable[[StageProgress], None]
RunStage = Callable[["Services", Sequence[str], Progress], list[StageResult]]
"""services, avatar keys, progress → one result per key, in the order of the keys."""


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One stage: the asset's name, what it is made from, what it says about itself.

    `checks` are the names (and blocking flags) of every check that `run` reports, known
    beforehand because Dagster declares them. `metadata_schema` are the metadata keys that every
    materialization carries.
    """

    name: str
    system: str
    deps: tuple[str, ...]
    description: str
    owner: str
    kinds: tuple[str, ...]
    checks: tuple[tuple[str, bool], ...]
    metadata_schema: tuple[str, ...]
    run: RunStage
    pool: str | None = None


def no_progress(_: StageProgress) -> None:
    """For callers that show nothing."""
