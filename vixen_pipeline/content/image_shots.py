"""One avatar's shots being filled. Belongs here: its state in memory, what is to be made next.

Does not: threads (render.py), queries (image_rows.py, image_choice.py). Only the thread that runs
the stage touches it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vixen_pipeline.content.chosen_weights import ChosenWeights
from vixen_pipeline.content.image_choice import choose, may_fill, reasons_of
from vixen_pipeline.content.image_rows import PlanImages
from vixen_pipeline.content.render_orders import RenderOrder
from vixen_pipeline.db.models import ContentShot, RenderedImage
from vixen_pipeline.errors import StageFailed
from vixen_pipeline.identity.attempts import retry_command
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.pictures.quality import Thresholds, moderation_of, reason_kinds
from vixen_pipeline.safety.moderation import refusal_reason

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

STAGE = "content_images"
_SEED_STEP = 0x9E3779B1
_SEED_BITS = 31


@dataclass
class ShotsFilling:
    """The open plans of one avatar. `filled` are shots with an image; `limits` the last attempt
    that each shot may have in this run."""

    services: Services
    avatar: AvatarRef
    weights: ChosenWeights
    plan: PlanImages
    scorer: str
    thresholds: Thresholds = field(default_factory=Thresholds)
    filled: set[int] = field(default_factory=set[int])
    last_attempt: Counter[int] = field(default_factory=Counter[int])
    limits: dict[int, int] = field(default_factory=dict[int, int])
    rejected: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        self.shots = {shot.id: shot for shot in self.plan.shots}
        tries = self.services.settings.content_tries_per_shot
        for row in self.plan.rows:
            shot = row.shot_id or 0
            self.last_attempt[shot] = max(self.last_attempt[shot], row.attempt)
            if row.selected:
                self.filled.add(shot)
        # Used-up tries with no failure on record mean that a person asked again: one more round.
        for shot in self.shots:
            self.limits[shot] = (self.last_attempt[shot] // tries + 1) * tries

    @property
    def complete(self) -> bool:
        return len(self.filled) == len(self.shots)

    def unmoderated(self) -> list[str]:
        """Prompts whose own moderation is missing or refuses: nothing is paid for with them."""
        return [
            f"shot {shot.position}"
            for shot in self.shots.values()
            if shot.id not in self.filled and not _moderated(shot)
        ]

    def first_orders(self, open_shots: frozenset[int]) -> list[RenderOrder]:
        """Choose from what is there, then one order for each shot that is empty; `open_shots`
        have an image under way already."""
        self._choose([row for row in self.plan.rows if not row.selected])
        return [
            self._order(shot)
            for shot in self.shots.values()
            if shot.id not in self.filled and shot.id not in open_shots
        ]

    def take(self, rows: Sequence[RenderedImage]) -> list[RenderOrder]:
        """Judge settled images; what is to be made in the place of those that do not do."""
        mine = [row for row in rows if row.shot_id in self.shots]
        for row in mine:
            shot = row.shot_id or 0
            self.last_attempt[shot] = max(self.last_attempt[shot], row.attempt)
        self._choose(mine)
        empty = {row.shot_id or 0: None for row in mine if row.shot_id not in self.filled}
        return [
            self._order(self.shots[shot])
            for shot in empty
            if self.last_attempt[shot] < self.limits[shot]
        ]

    def _choose(self, rows: Sequence[RenderedImage]) -> None:
        mine = sorted(rows, key=lambda row: (self._place(row), row.attempt))
        candidates = [row for row in mine if may_fill(row, self.thresholds, self.scorer)]
        chosen = choose(self.services, candidates, frozenset(self.filled), self.thresholds)
        self.filled.update(row.shot_id or 0 for row in chosen.selected)
        for row in mine:
            if row.settled_at is not None and not may_fill(row, self.thresholds, self.scorer):
                self.rejected.update(reason_kinds(reasons_of(row, self.thresholds, self.scorer)))
        self.rejected["duplicate"] += len(chosen.duplicates)

    def _place(self, row: RenderedImage) -> tuple[int, int]:
        shot = self.shots[row.shot_id or 0]
        return shot.plan_id, shot.position

    def _order(self, shot: ContentShot) -> RenderOrder:
        attempt = self.last_attempt[shot.id] + 1
        return RenderOrder(
            avatar=self.avatar,
            purpose_id=shot.id,
            purpose="shot",
            attempt=attempt,
            prompt=shot.prompt,
            negative_prompt=shot.negative_prompt,
            seed=seed_of_attempt(shot.seed, attempt),
            weights=self.weights,
        )

    def used_up(self) -> StageFailed:
        """The failure by name, when tries are used up."""
        wanted, done = len(self.shots), len(self.filled)
        numbers = ", ".join(str(plan.number) for plan in self.plan.plans)
        counted = +self.rejected
        reasons = [f"{kind} {count}x" for kind, count in counted.most_common()]
        tries = self.services.settings.content_tries_per_shot
        return StageFailed(
            STAGE,
            f"plan {numbers}: {done} of {wanted} images accepted after {tries} tries for each "
            f"shot: {', '.join(reasons) or 'no image came'}.",
            reasons=reasons,
            next_step=f"`{retry_command(STAGE, self.avatar.key)}` tries as many again.",
        )


def seed_of_attempt(seed: int, attempt: int) -> int:
    """The seed of a shot's attempt: the planned one first, then others, all different (31 bits)."""
    return (seed + (attempt - 1) * _SEED_STEP) % (1 << _SEED_BITS)


def _moderated(shot: ContentShot) -> bool:
    stored = shot.moderation
    if not isinstance(stored.get("flagged"), bool):
        return False
    return refusal_reason(moderation_of(stored)) is None
