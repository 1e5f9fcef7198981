"""Filling many collections at once. Belongs here: threads, and the loop that feeds them.

Does not: what is made (image_filling.py), how (image_making.py). All images of all avatars share
one pool. It has twice as many threads as the provider has slots, so that a slot is taken again at
once while the image before is still being fetched, measured and stored. Nothing but small values
is held for an image once it is stored, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from vixen_pipeline.db.models import GeneratedImage
from vixen_pipeline.effects import Effect
from vixen_pipeline.errors import (
    BudgetExceeded,
    Busy,
    Permanent,
    PolicyRefused,
    Transient,
    Unknown,
)
from vixen_pipeline.identity.image_disk import room_on_disk
from vixen_pipeline.identity.image_filling import Filling, reopen_refused
from vixen_pipeline.identity.image_making import MadeImage, make_image
from vixen_pipeline.identity.image_tasks import ImageTask
from vixen_pipeline.pictures.measuring import measure, moderate
from vixen_pipeline.stages import Progress, StageProgress

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

OF_ONE_AVATAR = (Transient, Unknown, Permanent, PolicyRefused, BudgetExceeded, Busy)
"""What stops one avatar. Anything else (Unavailable, a bug) stops the stage."""

Apply = Callable[[], None]
"""What a worker hands back: the change to make, by the thread that runs the stage."""


@dataclass
class ImagePool:
    """Fills collections. `publish` is called, in a thread of its own, for each complete one."""

    services: Services
    fillings: Sequence[Filling]
    progress: Progress
    publish: Callable[[Filling], None] | None = None
    futures: dict[Future[Apply], Filling] = field(default_factory=dict[Future[Apply], Filling])
    published: set[str] = field(default_factory=set[str])

    def run(self) -> None:
        """Return when every collection is complete or stopped. Raises what stops all of them."""
        workers = max(2, 2 * self.services.settings.replicate_concurrency)
        with (
            ThreadPoolExecutor(workers, "images") as pool,
            ThreadPoolExecutor(2, "publish") as publisher,
        ):
            try:
                self._measure_missing(pool)
                self._begin(pool, self.fillings)
                self._loop(pool, publisher)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                publisher.shutdown(wait=False, cancel_futures=True)
                raise
            finally:
                for filling in self.fillings:
                    filling.release()

    def _loop(self, pool: ThreadPoolExecutor, publisher: ThreadPoolExecutor) -> None:
        while True:
            self._publish_complete(publisher)
            if not self.futures:
                return
            done, _ = wait(self.futures, return_when=FIRST_COMPLETED)
            touched: dict[str, Filling] = {}
            for future in done:
                filling = self.futures.pop(future)
                future.result()()
                touched[filling.collection.avatar.key] = filling
            self._begin(pool, list(touched.values()))

    # ---- images ---------------------------------------------------------------------------------

    def _begin(self, pool: ThreadPoolExecutor, fillings: Sequence[Filling]) -> None:
        """Intend and submit what these fillings need next: one transaction for all of it."""
        wave: list[tuple[Filling, ImageTask]] = []
        for filling in fillings:
            tasks = filling.next_tasks()
            try:
                filling.reserve(len(tasks))
            except BudgetExceeded as error:
                filling.stop(error)
                continue
            filling.begun(tasks)
            wave += [(filling, task) for task in tasks]
        effects = self.services.effects.intend([task.intent() for _, task in wave])
        effects = reopen_refused(self.services, effects)
        for (filling, task), effect in zip(wave, effects, strict=True):
            self.futures[pool.submit(self._make, filling, task, effect)] = filling

    def _make(self, filling: Filling, task: ImageTask, effect: Effect) -> Apply:
        if filling.error is not None:  # stopped before this one began
            return partial(filling.give_back, task)
        try:
            with room_on_disk():
                made = make_image(self.services, task, effect, filling.anchor)
        except OF_ONE_AVATAR as error:
            return partial(filling.fail_slot, task, error)
        return partial(self._take, filling, made)

    def _take(self, filling: Filling, made: MadeImage) -> None:
        filling.take(made)
        collection = filling.collection
        self.progress(
            StageProgress(
                collection.stage, collection.avatar.key, filling.accepted, len(collection.slots)
            )
        )

    # ---- publishing -----------------------------------------------------------------------------

    def _publish_complete(self, publisher: ThreadPoolExecutor) -> None:
        for filling in self.fillings:
            key = filling.collection.avatar.key
            if key in self.published or filling.error is not None or not filling.complete:
                continue
            self.published.add(key)
            if self.publish is not None:
                self.futures[publisher.submit(self._publish, self.publish, filling)] = filling

    def _publish(self, publish: Callable[[Filling], None], filling: Filling) -> Apply:
        try:
            with room_on_disk():
                publish(filling)
        except OF_ONE_AVATAR as error:
            return partial(filling.stop, error)
        return _nothing

    # ---- measuring what is stored ---------------------------------------------------------------

    def _measure_missing(self, pool: ThreadPoolExecutor) -> None:
        """Measure stored images that lack a measurement: they are paid for already."""
        for filling in self.fillings:
            for row in filling.load():
                self.futures[pool.submit(self._measure_stored, filling, row)] = filling
        reload: dict[str, Filling] = {}
        while self.futures:
            done, _ = wait(self.futures, return_when=FIRST_COMPLETED)
            for future in done:
                filling = self.futures.pop(future)
                future.result()()
                reload[filling.collection.avatar.key] = filling
        for filling in reload.values():
            filling.load()

    def _measure_stored(self, filling: Filling, row: GeneratedImage) -> Apply:
        try:
            data = self.services.objects.get(row.object_key or "")
            measured = measure(data, filling.anchor)
            moderation = row.moderation
            if moderation is None and measured.content_type is not None:
                moderation = moderate(self.services, data, measured.content_type)
        except OF_ONE_AVATAR as error:
            return partial(filling.stop, error)
        return partial(filling.take_measurements, row.id, measured, moderation)


def _nothing() -> None:
    """The change of a publication that went well."""
