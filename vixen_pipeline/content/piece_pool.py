"""Many stills at once. Belongs here: threads, writing rows as stills come, failures by avatar.

Does not: one still (piece_making.py), which ones (pieces.py). Rows are written for all stills that
have come since the last time, in one transaction, by the thread that runs the stage.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vixen_pipeline.content.piece_making import MadeStill, StillTask, make_still
from vixen_pipeline.content.piece_rows import insert_piece
from vixen_pipeline.errors import Unavailable, VixenError
from vixen_pipeline.stages import Progress, StageProgress

if TYPE_CHECKING:
    from PIL.Image import Image

    from vixen_pipeline.safety.credentials import Credentials
    from vixen_pipeline.services import Services

STAGE = "content_pieces"
WORKERS_PER_CORE = 4
"""They mostly wait for the object store; pixels have threads of their own."""


@dataclass
class StillPool:
    """Makes stills. `tiles` are thumbnails by image id, `errors` the first failure by avatar id."""

    services: Services
    credentials: Credentials
    progress: Progress
    tiles: dict[int, Image] = field(default_factory=dict[int, "Image"])
    errors: dict[int, VixenError] = field(default_factory=dict[int, VixenError])

    def run(self, tasks: Sequence[StillTask]) -> None:
        """Return when every still is written or its avatar has failed. Raises Unavailable."""
        totals = Counter(task.avatar.key for task in tasks)
        done: Counter[str] = Counter()
        with ThreadPoolExecutor(WORKERS_PER_CORE * (os.cpu_count() or 1), "stills") as pool:
            pending = {pool.submit(self._make, task): task for task in tasks}
            try:
                while pending:
                    finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                    made = self._collect(finished, pending)
                    self._write(made)
                    for still in made:
                        key = still.task.avatar.key
                        done[key] += 1
                        self.progress(StageProgress(STAGE, key, done[key], totals[key]))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _make(self, task: StillTask) -> MadeStill | None:
        """None once the avatar has failed: its other stills would only cost time."""
        if task.avatar.id in self.errors:
            return None
        return make_still(self.services, self.credentials, task)

    def _collect(
        self,
        finished: set[Future[MadeStill | None]],
        pending: dict[Future[MadeStill | None], StillTask],
    ) -> list[MadeStill]:
        made: list[MadeStill] = []
        for future in finished:
            task = pending.pop(future)
            try:
                still = future.result()
            except Unavailable:
                raise
            except VixenError as error:
                self.errors.setdefault(task.avatar.id, error)
                continue
            if still is not None:
                made.append(still)
        return made

    def _write(self, made: Sequence[MadeStill]) -> None:
        if not made:
            return
        now = self.services.clock.now()
        with self.services.database.begin() as session:
            for still in made:
                insert_piece(session, still.piece, still.files, now)
        self.tiles.update({still.task.image.id: still.tile for still in made})
