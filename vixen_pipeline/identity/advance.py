"""As far as it goes now. Belongs here: one round over the stages, for the avatars that can go on.

Does not: deciding what can be done (work.py), any stage. This is what the drain, commands and
tests call. Killed anywhere, the next round goes on from what exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vixen_pipeline.identity.registry import pending_landed_keys, register_landed
from vixen_pipeline.identity.trainings import apply_events, poll_due
from vixen_pipeline.identity.work import avatars_for
from vixen_pipeline.stages import Progress, StageResult, StageSpec

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

OnResult = Callable[[str, StageResult], None]
"""Called with the stage's name and each avatar's result, as the results come."""

AVATARS = "avatars"
BATCHES = {"training_datasets": 25}
"""Avatars per call of a stage, so that the first go on while the last are not begun. Datasets: a
batch keeps every provider slot busy for minutes."""
BATCH = 200


def advance(
    services: Services,
    keys: Sequence[str] | None,
    stages: Sequence[StageSpec],
    progress: Progress,
    on_result: OnResult,
) -> int:
    """Register, take in what providers reported, then each stage in order; how many results came.

    `keys` None means all avatars. An avatar takes part in a stage only if that is its next one and
    nothing makes it wait. Raises Unavailable when something of ours is down; what is done is kept.
    """
    if not any(stage.name == AVATARS for stage in stages):
        register_landed(services)
    take_in(services)
    results = 0
    for stage in stages:
        if stage.name == "lora_weights":
            take_in(services)  # trainings of this very round may have ended
        chosen = [key for key in _able(services, stage) if keys is None or key in keys]
        size = BATCHES.get(stage.name, BATCH)
        for start in range(0, len(chosen), size):
            for result in stage.run(services, chosen[start : start + size], progress):
                on_result(stage.name, result)
                results += 1
    return results


def take_in(services: Services) -> None:
    """What providers have reported, and what they did not report in time."""
    apply_events(services)
    poll_due(services)


def _able(services: Services, stage: StageSpec) -> Sequence[str]:
    if stage.name == AVATARS:  # the stage that registers
        with services.database.begin() as session:
            return pending_landed_keys(session)
    return avatars_for(services.database, services.clock, stage.name)
