"""As far as content goes now. Belongs here: which avatars are in which stage at the same time.

Does not: deciding what can be done (work.py), any stage. This is what the drain, commands and
tests call. Killed anywhere, the next round goes on from what exists.

The stages run beside each other, each in a thread of its own with a set of avatars: while the
provider draws for some, the words of others are written and the pieces of others signed. An avatar
is in one stage at a time, and goes on to the next as soon as it has left one; those whose weights
become ready meanwhile join in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from vixen_pipeline.content.work import work_available
from vixen_pipeline.errors import Unavailable
from vixen_pipeline.stages import Progress, StageResult, StageSpec

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

OnResult = Callable[[str, StageResult], None]
"""Called with the stage's name and each avatar's result, from any thread, as the results come."""

BATCHES = {"content_pieces": 1, "content_copy": 10}
"""Avatars per call of a stage. Copy: who is done goes on while others wait for words. Pieces: our
own processor is what they wait for, so that more at once would only end later."""
BATCH = 25
WIDTHS = {"content_images": 2, "content_pieces": 2}
"""Calls of a stage at the same time. Images: who comes later fills the slots that are left over,
instead of waiting for the last image of those before; all share the provider's slots. Pieces: the
stills of one avatar are cut while the encoder works on another's videos."""

LOOK_S = 1.0
"""How often to look for avatars that became able elsewhere, while some are worked on here."""
ROUND_S = 600.0
"""No avatar is taken in after this, so that a round ends under a steady stream."""


def advance(
    services: Services,
    keys: Sequence[str] | None,
    stages: Sequence[StageSpec],
    progress: Progress,
    on_result: OnResult,
) -> int:
    """Take each avatar of `keys` (None: all) through `stages`; how many results came.

    Raises Unavailable when something of ours is down, after what was begun has ended.
    """
    return _Round(services, keys, stages, progress, on_result).run()


class _Round:
    """One round. What threads share is guarded by `_changed`."""

    def __init__(
        self,
        services: Services,
        keys: Sequence[str] | None,
        stages: Sequence[StageSpec],
        progress: Progress,
        on_result: OnResult,
    ) -> None:
        self._services = services
        self._keys = None if keys is None else frozenset(keys)
        self._stages = stages
        self._progress = progress
        self._on_result = on_result
        self._changed = threading.Condition()
        self._busy: set[str] = set()
        self._running: dict[str, int] = {}
        self._errors: list[BaseException] = []
        self._results = 0
        self._tried: dict[tuple[str, str], int] = {}

    def run(self) -> int:
        _ = (self._services.locks, self._services.slots)  # made once, before threads share them
        end = monotonic() + ROUND_S
        while True:
            with self._changed:
                if not self._errors and monotonic() < end:
                    try:
                        self._begin()
                    except Unavailable as error:
                        self._errors.append(error)  # raised when what was begun has ended
                if not self._busy:
                    break
                self._changed.wait(LOOK_S)
        if self._errors:
            raise self._errors[0]
        return self._results

    def _begin(self) -> None:
        """Start every stage that has avatars and is not fully at work."""
        work = work_available(self._services.database, self._services.clock)
        for stage in self._stages:
            able = work.stages.get(stage.name, {})
            while self._running.get(stage.name, 0) < WIDTHS.get(stage.name, 1):
                chosen = [key for key, tries in able.items() if self._may(stage, key, tries)]
                chosen = chosen[: BATCHES.get(stage.name, BATCH)]
                if not chosen:
                    break
                for key in chosen:
                    self._tried[stage.name, key] = able[key]
                self._start(stage, chosen)

    def _may(self, stage: StageSpec, key: str, tries: int) -> bool:
        """Not twice in a round, unless it has failed since and its next try is due."""
        wanted = self._keys is None or key in self._keys
        return wanted and key not in self._busy and self._tried.get((stage.name, key)) != tries

    def _start(self, stage: StageSpec, keys: list[str]) -> None:
        self._busy.update(keys)
        self._running[stage.name] = self._running.get(stage.name, 0) + 1
        threading.Thread(
            target=self._work, args=(stage, keys), name=stage.name, daemon=True
        ).start()

    def _work(self, stage: StageSpec, keys: list[str]) -> None:
        """One call of a stage, in a thread of its own."""
        error: BaseException | None = None
        results: Sequence[StageResult] = ()
        try:
            results = stage.run(self._services, keys, self._progress)
            for result in results:
                self._on_result(stage.name, result)
        except BaseException as raised:  # noqa: BLE001 - the thread's edge: raised again in run
            error = raised
        with self._changed:
            self._busy.difference_update(keys)
            self._running[stage.name] -= 1
            self._results += len(results)
            if error is not None:
                self._errors.append(error)
            self._changed.notify_all()
