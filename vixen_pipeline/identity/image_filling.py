"""One collection being filled. Belongs here: its state in memory, what is to be made next.

Does not: threads (image_pool.py), pixels, providers. Only the thread that runs the stage touches a
`Filling`; workers get tasks and give back images.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from vixen_pipeline.db.models import GeneratedImage
from vixen_pipeline.effects import Effect
from vixen_pipeline.errors import StageFailed, Transient, Unknown, VixenError
from vixen_pipeline.identity.attempts import retry_command
from vixen_pipeline.identity.image_costs import expected_images
from vixen_pipeline.identity.image_making import MadeImage
from vixen_pipeline.identity.image_rows import (
    apply_selection,
    candidate_of,
    load_images,
    save_image,
    save_measurements,
    unmeasured,
)
from vixen_pipeline.identity.image_selection import Candidate, Selection, select_images
from vixen_pipeline.identity.image_tasks import Collection, ImageTask
from vixen_pipeline.pictures.measuring import Anchor, Measurements
from vixen_pipeline.pictures.quality import Thresholds, reason_kinds

if TYPE_CHECKING:
    from vixen_pipeline.db.base import Json
    from vixen_pipeline.services import Services

MOST_UNKNOWN = 3
"""After so many images whose outcome is unknown, no more are begun in this run."""
RESERVATION_LIFE = timedelta(hours=6)
"""Longer than images of many avatars queue for one provider. The next run of a killed one takes
its reservation over, because the key is the same."""
RESERVATION_SLACK = 10
"""A reservation is renewed when so many images less are outstanding."""


@dataclass
class Filling:
    """A collection, the images it has, and what is under way. `error` stops it."""

    services: Services
    collection: Collection
    anchor: Anchor
    thresholds: Thresholds = field(default_factory=Thresholds)
    candidates: dict[int, Candidate] = field(default_factory=dict[int, Candidate])
    selection: Selection = field(default_factory=lambda: Selection({}, {}))
    last_attempt: Counter[int] = field(default_factory=Counter[int])
    limits: dict[int, int] = field(default_factory=dict[int, int])
    in_flight: set[int] = field(default_factory=set[int])
    unknown: dict[int, VixenError] = field(default_factory=dict[int, VixenError])
    unmoderated: int = 0
    error: VixenError | None = None
    reserved: int = 0

    def load(self) -> list[GeneratedImage]:
        """Read what exists and choose from it; returns the images that lack a measurement."""
        with self.services.database.begin() as session:
            rows = load_images(session, self.collection)
            self._take_in(rows)
            apply_selection(session, self.collection, self.selection)
        return unmeasured(rows, self.anchor.scorer.name)

    def _take_in(self, rows: list[GeneratedImage]) -> None:
        scorer = self.anchor.scorer.name
        self.candidates = {row.id: candidate_of(row, self.thresholds, scorer) for row in rows}
        self.last_attempt = Counter()
        for row in rows:
            self.last_attempt[row.slot] = max(self.last_attempt[row.slot], row.attempt)
        # Used-up tries with no failure on record mean that an operator asked again: one more round.
        tries = self.collection.tries
        for slot in self.collection.slots:
            rounds = self.last_attempt[slot.number] // tries + 1
            self.limits.setdefault(slot.number, rounds * tries)
        self.selection = select_images(self.candidates.values(), self.thresholds)

    # ---- what to do next ------------------------------------------------------------------------

    @property
    def accepted(self) -> int:
        return len(self.selection.chosen)

    @property
    def complete(self) -> bool:
        """Every slot has its image, and nothing under way can change which."""
        return self.accepted == len(self.collection.slots) and not self.in_flight

    def next_tasks(self) -> list[ImageTask]:
        """One task for each empty slot that has tries left and nothing under way."""
        if self.error is not None or self.unmoderated or len(self.unknown) >= MOST_UNKNOWN:
            return []
        return [
            ImageTask(self.collection, slot, self.last_attempt[slot.number] + 1)
            for slot in self.collection.slots
            if slot.number not in self.selection.chosen
            and slot.number not in self.in_flight
            and slot.number not in self.unknown
            and self.last_attempt[slot.number] < self.limits[slot.number]
        ]

    def begun(self, tasks: list[ImageTask]) -> None:
        self.in_flight.update(task.slot.number for task in tasks)

    def reserve(self, more: int) -> None:
        """Set the money for all outstanding images aside. Raises BudgetExceeded."""
        outstanding = len(self.in_flight) + more
        if more == 0 and self.reserved - outstanding < RESERVATION_SLACK:
            return
        amount = self.services.costs.quote(expected_images(self.collection.model, outstanding))
        self.services.costs.reserve(
            self.collection.avatar.id, self.reservation, amount, RESERVATION_LIFE
        )
        self.reserved = outstanding

    def release(self) -> None:
        if self.reserved:
            self.services.costs.release(self.reservation)

    @property
    def reservation(self) -> str:
        c = self.collection
        return f"images:{c.purpose}:{c.avatar.key}:{c.input_digest[:32]}"

    # ---- what came back -------------------------------------------------------------------------

    def take(self, made: MadeImage) -> None:
        """Commit one finished image and choose again."""
        self.in_flight.discard(made.task.slot.number)

        def choose(row: GeneratedImage) -> Selection:
            candidate = candidate_of(row, self.thresholds, self.anchor.scorer.name)
            return select_images([*self.candidates.values(), candidate], self.thresholds)

        row = save_image(self.services, made, choose)
        if row is None:
            self.load()
            return
        self.candidates[row.id] = candidate_of(row, self.thresholds, self.anchor.scorer.name)
        self.last_attempt[row.slot] = max(self.last_attempt[row.slot], row.attempt)
        self.selection = select_images(self.candidates.values(), self.thresholds)
        if made.object_key is not None and made.moderation is None:
            self.unmoderated += 1

    def take_measurements(
        self, image_id: int, measured: Measurements, moderation: Json | None
    ) -> None:
        """Commit measurements of an image that lacked some."""
        with self.services.database.begin() as session:
            save_measurements(session, image_id, measured, moderation)
        if moderation is None and measured.unusable is None:
            self.unmoderated += 1

    def fail_slot(self, task: ImageTask, error: VixenError) -> None:
        """An image could not be brought to an end in this run."""
        self.give_back(task)
        if isinstance(error, Unknown):
            self.unknown[task.slot.number] = error
        else:
            self.stop(error)

    def give_back(self, task: ImageTask) -> None:
        """A task that was not begun."""
        self.in_flight.discard(task.slot.number)

    def stop(self, error: VixenError) -> None:
        """Begin nothing more; the first error is the one that is told."""
        self.error = self.error or error

    # ---- how it ended ---------------------------------------------------------------------------

    def failure(self) -> VixenError | None:
        """Why the collection is not complete; None when it is."""
        if self.complete:
            return None
        if self.error is not None:
            return self.error
        if self.unmoderated:
            return Transient(
                "openai",
                f"moderation is unavailable: {self.unmoderated} images wait for it.",
                next_step="They are moderated at the next run; nothing passes unmoderated.",
            )
        if self.unknown:
            return next(iter(self.unknown.values()))
        return self._used_up()

    def _used_up(self) -> StageFailed:
        wanted = len(self.collection.slots)
        counted = reason_kinds(
            reason for each in self.selection.reasons.values() for reason in each
        )
        reasons = [f"{kind} {count}x" for kind, count in counted.most_common()]
        return StageFailed(
            self.collection.stage,
            f"{self.accepted} of {wanted} images accepted after {self.collection.tries} tries for "
            f"each shot: {', '.join(reasons) or 'no image came'}.",
            reasons=reasons,
            next_step=f"`{retry_command(self.collection.stage, self.collection.avatar.key)}` "
            "tries as many again.",
        )


def reopen_refused(services: Services, effects: list[Effect]) -> list[Effect]:
    """Effects that failed before the provider took them, given another try.

    A stage with such a failure does not run by itself; that it runs means a person asked again.
    """
    return [
        services.effects.reopen(effect.id)
        if effect.state == "failed" and effect.remote_id is None
        else effect
        for effect in effects
    ]
