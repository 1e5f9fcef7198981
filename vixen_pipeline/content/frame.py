"""What all content stages share: the frame of a stage run, under content's own lock.

Belongs here: who takes part. Does not: any stage. Identity may retrain an avatar while content is
made with its present weights, so the two systems lock separately.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vixen_pipeline.identity.stage_run import StageRun, run_stage
from vixen_pipeline.stages import StageResult

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

LOCK = "content"


def run_content_stage(
    services: Services, stage: str, keys: Sequence[str], body: Callable[[StageRun], None]
) -> list[StageResult]:
    """Run `body` for the avatars of `keys` that no other content run works on; see run_stage."""
    return run_stage(services, stage, keys, body, lock=LOCK)
