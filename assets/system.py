"""One system of the pipeline as the Dagster ring sees it.

Belongs here: the value that the factory, the drain and the sensors are built from. Does not: any
system (assets/identity.py has the first).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vixen_pipeline.stages import Progress, StageResult, StageSpec

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

Refresh = Callable[["Services"], object]
"""Takes in what providers reported since the last look (landed webhooks, polls that are due)."""

Forget = Callable[["Services", Sequence[str], Sequence[str]], object]
"""Forgets the recorded failures of these avatars in these stages: a person asked to try again."""

OnResult = Callable[[str, StageResult], None]
"""Stage name and result, called from any thread as results come."""

Advance = Callable[
    ["Services", Sequence[str] | None, Sequence[StageSpec], Progress, OnResult], object
]
"""Does what can be done now for these avatars (None: for all): registers, takes in, runs stages."""

Work = Callable[["Services"], Sequence[str]]
"""What `Advance` would find to do now, one line each; cheap. A line changes with each try."""

Keys = Callable[["Services"], Sequence[str]]
"""Every partition key that has an avatar behind it, landed ones included, oldest first."""

Completed = Callable[["Services"], Mapping[str, Collection[str]]]
"""Per stage, the avatars that have its product, whatever Dagster knows of it."""


@dataclass(frozen=True, slots=True)
class System:
    """`stages` in the order in which they run; `refresh` runs before each of them.

    `external` names, per stage, what it is made from outside of the asset graph; `pool` bounds
    the number of concurrent runs; `report` is the view in which analysts find it.
    """

    name: str
    description: str
    report: str
    stages: tuple[StageSpec, ...]
    advance: Advance
    work: Work
    keys: Keys
    completed: Completed
    refresh: Refresh | None = None
    forget: Forget | None = None
    external: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    pool: str | None = None

    def selected(self, names: Collection[str]) -> tuple[StageSpec, ...]:
        """The stages named, in running order; all of them when none is named."""
        return tuple(stage for stage in self.stages if not names or stage.name in names)
