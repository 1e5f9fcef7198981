"""The renderer: orders of images in, settled rows out, whatever is killed and whenever.

Belongs here: threads, and the loop that feeds them. Does not: what to render and what is good
enough (image_*.py, exam_*.py), one call (render_calls.py), one image (render_images.py). All
avatars share one pool, with twice as many threads as the provider has slots, so that a slot is
taken again at once while images before are still stored, measured and moderated.

First the calls that a former run left open are brought to their end, grouped as they were. Only
then are calls for what has no row yet intended. Nothing is asked for twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from vixen_pipeline.content.render_budget import RenderBudget
from vixen_pipeline.content.render_calls import answer_of
from vixen_pipeline.content.render_images import lacks_measurement, make_image, measure_again
from vixen_pipeline.content.render_orders import STAGES, Purpose, RenderOrder
from vixen_pipeline.content.render_queue import RenderQueue
from vixen_pipeline.content.render_rows import (
    OpenCall,
    intend_call,
    open_calls,
    rows_of,
    save_columns,
    settle_call,
)
from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import RenderedImage
from vixen_pipeline.errors import BudgetExceeded, Busy, StageFailed, Transient, VixenError
from vixen_pipeline.identity.image_disk import room_on_disk
from vixen_pipeline.identity.image_pool import OF_ONE_AVATAR
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.pictures.measuring import Anchor
from vixen_pipeline.providers.inference_ports import InferenceBatch

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

OnImages = Callable[[Sequence[RenderedImage]], Iterable[RenderOrder]]
"""Settled rows of one call → what is to be made in their place; on the caller's thread."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What a worker hands back about one avatar: rows, or the error that stops it."""

    avatar: AvatarRef
    purpose: Purpose
    images: int
    rows: Sequence[RenderedImage] = ()
    error: VixenError | None = None


@dataclass
class Renderer:
    """One run. `errors` says which avatars were stopped by what; the others are done.

    `watch` sees the key and the bytes of each image that is stored, on a thread of the pool.
    """

    services: Services
    anchors: Mapping[int, Anchor]
    on_images: OnImages
    watch: Callable[[str, bytes], None] | None = None
    errors: dict[int, VixenError] = field(default_factory=dict[int, VixenError])
    in_flight: dict[int, int] = field(default_factory=dict[int, int])
    futures: set[Future[_Done]] = field(default_factory=set[Future[_Done]])

    def __post_init__(self) -> None:
        self.queue = RenderQueue(self.services.settings.modal_batch)
        self.budget = RenderBudget(self.services)
        self.workers = 2 * self.services.settings.modal_concurrency

    def run(
        self,
        orders: Sequence[RenderOrder],
        resumed: Sequence[OpenCall] = (),
        unmeasured: Sequence[tuple[AvatarRef, RenderedImage]] = (),
    ) -> None:
        """Bring all of it to its end. Raises what stops every avatar (Unavailable, a bug)."""
        with ThreadPoolExecutor(self.workers, "render") as pool:
            try:
                for avatar, row in unmeasured:
                    self._submit(pool, avatar, 1, lambda a=avatar, r=row: self._measure(a, r))
                self._resume(pool, resumed)
                self._put(orders)
                self._loop(pool)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            finally:
                self.budget.release()

    def stop(self, avatar_id: int, error: VixenError) -> None:
        """Begin nothing more for this avatar; the first error is the one that is told."""
        self.errors.setdefault(avatar_id, error)
        self.queue.drop(avatar_id)

    # ---- the loop, on the caller's thread -------------------------------------------------------

    def _resume(self, pool: ThreadPoolExecutor, calls: Sequence[OpenCall]) -> None:
        """What was taken already is fetched in any case; for the rest there must be money."""
        for avatar, purpose, images in _outstanding(calls):
            try:
                self.budget.cover(avatar, purpose, images)
            except BudgetExceeded as error:
                self.stop(avatar.id, error)
        for call in calls:
            self._submit(pool, call.avatar, len(call.rows), lambda c=call: self._perform(c))

    def _loop(self, pool: ThreadPoolExecutor) -> None:
        while True:
            self._fill(pool)
            if not self.futures:
                return
            done, self.futures = wait(self.futures, return_when=FIRST_COMPLETED)
            for future in done:
                self._take(future.result())

    def _take(self, done: _Done) -> None:
        self.in_flight[done.avatar.id] -= done.images
        if done.error is not None:
            self.stop(done.avatar.id, done.error)
            return
        if any(row.object_key is not None and row.moderation is None for row in done.rows):
            self.stop(done.avatar.id, _unmoderated())
        more = list(self.on_images(done.rows))
        if more:
            self._put(more)
        else:
            self._cover(done.avatar, done.purpose, 0)  # less is outstanding now

    def _put(self, orders: Iterable[RenderOrder]) -> None:
        """Queue what may be paid for; the money for it is set aside first."""
        by_avatar: dict[tuple[int, Purpose], list[RenderOrder]] = {}
        for order in orders:
            if order.avatar.id not in self.errors:
                by_avatar.setdefault((order.avatar.id, order.purpose), []).append(order)
        for (_, purpose), mine in by_avatar.items():
            if self._cover(mine[0].avatar, purpose, len(mine)):
                self.queue.put(mine)

    def _cover(self, avatar: AvatarRef, purpose: Purpose, more: int) -> bool:
        """Whether there is money for all that is outstanding and `more`; else it is stopped."""
        outstanding = self.in_flight.get(avatar.id, 0) + self.queue.waiting(avatar.id)
        try:
            self.budget.cover(avatar, purpose, outstanding + more)
        except BudgetExceeded as error:
            self.stop(avatar.id, error)
            return False
        return True

    def _fill(self, pool: ThreadPoolExecutor) -> None:
        while len(self.futures) < self.workers and (orders := self.queue.take()):
            try:
                call = intend_call(self.services, orders)
            except IntegrityError as error:
                self.stop(orders[0].avatar.id, self._asked_before(orders, error))
                continue
            self._submit(pool, call.avatar, len(orders), lambda c=call: self._perform(c))

    def _asked_before(self, orders: Sequence[RenderOrder], error: IntegrityError) -> VixenError:
        """Why a call could not be intended. These very orders: our locks went with a connection."""
        if rows_of(self.services, orders):
            return Busy(f"{orders[0].request_id} was asked for by another process just now.")
        return _asked_before(orders[0], error)

    def _submit(
        self, pool: ThreadPoolExecutor, avatar: AvatarRef, images: int, work: Callable[[], _Done]
    ) -> None:
        self.in_flight[avatar.id] = self.in_flight.get(avatar.id, 0) + images
        self.futures.add(pool.submit(work))

    # ---- the work, on the pool's threads --------------------------------------------------------

    def _perform(self, call: OpenCall) -> _Done:
        purpose, images = call.purpose, len(call.rows)
        try:
            if call.avatar.id in self.errors and call.effect.remote_id is None:
                return _Done(call.avatar, purpose, images)  # stopped before this one was begun
            with room_on_disk():
                batch = answer_of(self.services, call.effect)
                anchor = self.anchors[call.avatar.id]
                made = [
                    make_image(self.services, call.avatar, anchor, batch, row.request_id)
                    for row in call.rows
                ]
                self._show(call, batch, made)
            rows = settle_call(self.services, call, batch, made)
            return _Done(call.avatar, purpose, images, rows)
        except OF_ONE_AVATAR as error:
            return _Done(call.avatar, purpose, images, error=error)

    def _show(self, call: OpenCall, batch: InferenceBatch | None, made: Sequence[Json]) -> None:
        if self.watch is None or batch is None:
            return
        for row, image in zip(call.rows, made, strict=True):
            if image["object_key"] is not None:
                self.watch(image["object_key"], batch.images[row.request_id])

    def _measure(self, avatar: AvatarRef, row: RenderedImage) -> _Done:
        purpose: Purpose = "shot" if row.shot_id is not None else "exam"
        try:
            columns = measure_again(self.services, row, self.anchors[avatar.id])
            return _Done(avatar, purpose, 1, [save_columns(self.services, row, columns)])
        except OF_ONE_AVATAR as error:
            return _Done(avatar, purpose, 1, error=error)


def render(
    services: Services,
    orders: Sequence[RenderOrder],
    anchors: Mapping[int, Anchor],
    on_image: Callable[[RenderedImage], None],
) -> dict[int, VixenError]:
    """Render `orders`, one image each; `on_image` gets every settled row, on this thread.

    Orders that have a row already are not paid for again: the row is handed out (measured again
    where a measurement lacks), or its call is brought to its end. Calls that a former run left
    open for these avatars and purposes come first and are handed out, too; those for a `purpose_id`
    that no order names are given up when they were never sent. `anchors` maps avatar ids to whom
    the images must show. Returns what stopped which avatar, by id: of those not all orders have
    come. Raises Unavailable.
    """

    def hand_out(rows: Sequence[RenderedImage]) -> tuple[RenderOrder, ...]:
        for row in rows:
            on_image(row)
        return ()

    renderer = Renderer(services, anchors, hand_out)
    avatars = {order.avatar.id: order.avatar for order in orders}
    purposes: set[Purpose] = {order.purpose for order in orders}
    existing = rows_of(services, orders)
    asked = {order.purpose_id for order in orders}
    resumed = [
        call
        for purpose in purposes
        for call in open_calls(
            services,
            list(avatars.values()),
            purpose,
            lambda row: (row.shot_id or row.exam_id) in asked,
        )
    ]
    unmeasured: list[tuple[AvatarRef, RenderedImage]] = []
    for row in existing.values():
        if lacks_measurement(row, anchors[row.avatar_id].scorer.name):
            unmeasured.append((avatars[row.avatar_id], row))
        elif row.settled_at is not None:
            on_image(row)
    new = [order for order in orders if order.request_id not in existing]
    renderer.run(new, resumed, unmeasured)
    return renderer.errors


def _outstanding(calls: Sequence[OpenCall]) -> list[tuple[AvatarRef, Purpose, int]]:
    """How many images of open calls the provider has not taken yet, by avatar and purpose."""
    counted: dict[tuple[int, Purpose], tuple[AvatarRef, int]] = {}
    for call in calls:
        if call.effect.remote_id is None:
            key = (call.avatar.id, call.purpose)
            _, before = counted.get(key, (call.avatar, 0))
            counted[key] = (call.avatar, before + len(call.rows))
    return [(avatar, purpose, images) for (_, purpose), (avatar, images) in counted.items()]


def _unmoderated() -> Transient:
    return Transient(
        "openai",
        "moderation is unavailable: images wait for it.",
        next_step="They are moderated at the next run; nothing passes unmoderated.",
    )


def _asked_before(order: RenderOrder, error: IntegrityError) -> StageFailed:
    constraint = str(error.orig).splitlines()[0]
    return StageFailed(
        STAGES[order.purpose],
        f"the image of {order.request_id} was asked for before: the same prompt and seed with the "
        f"same weights ({constraint}).",
        next_step="Ask with another seed; see `vixen effects list`.",
    )
