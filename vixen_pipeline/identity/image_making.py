"""One image from intent to stored object. Belongs here: performing, waiting, fetching, storing.

Does not: rows (image_rows.py), deciding what to make (image_filling.py). Killed anywhere in here,
the effect says how far it came and the next run goes on from there:

    intended ─▶ dispatched ─▶ (remote id) ─▶ fetched ─▶ measured ─▶ object stored ─▶ row committed

The effect is confirmed only together with the row, so no accepted image is lost and none is
counted twice; the object's key is its digest, so storing it again changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from vixen_pipeline.db.base import Json
from vixen_pipeline.effects import Accepted, Effect
from vixen_pipeline.errors import Permanent, Transient, Unknown
from vixen_pipeline.identity.image_tasks import ImageTask, reference_key_of, request_of
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.pictures.files import MAX_BYTES
from vixen_pipeline.pictures.measuring import Anchor, Measurements, measure, moderate
from vixen_pipeline.providers.ports import TERMINAL, RemoteJob

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

POLL_FIRST_S = 0.5
POLL_MOST_S = 5.0
POLL_LIMIT_S = 300.0
FETCH_TRIES = 4
LOOK_BACK = timedelta(minutes=30)
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
GONE = frozenset({"404", "gone", "too_large"})


@dataclass(frozen=True, slots=True)
class MadeImage:
    """An image that is done with the provider, measured and stored; its row is to be committed."""

    task: ImageTask
    effect: Effect
    job: RemoteJob
    measured: Measurements
    object_key: str | None
    moderation: Json | None


def make_image(services: Services, task: ImageTask, effect: Effect, anchor: Anchor) -> MadeImage:
    """Perform the effect (or go on where a killed run stopped), fetch, measure, store.

    A failure of the image itself is a `MadeImage` that is unusable. Raises Transient, Unknown,
    Permanent or Busy for this image's call, Unavailable when the store or the database is down.
    """
    job = _wait_for_end(services, _perform(services, effect))
    if job.status != "succeeded" or not job.outputs:
        reason = job.error or "it ended without an image"
        unusable = Measurements(unusable=f"the provider says {job.status}: {reason}"[:500])
        return MadeImage(task, effect, job, unusable, None, None)
    data = _fetch(services, job.outputs[0])
    if isinstance(data, str):
        return MadeImage(task, effect, job, Measurements(unusable=data), None, None)
    measured = measure(data, anchor)
    if measured.unusable is not None or measured.content_type is None:
        return MadeImage(task, effect, job, measured, None, None)
    key = image_key(task.collection.avatar, measured)
    services.objects.put(key, data, measured.content_type)
    moderation = moderate(services, data, measured.content_type)
    return MadeImage(task, effect, job, measured, key, moderation)


def image_key(avatar: AvatarRef, measured: Measurements) -> str:
    """Where the image lies in the store: under its avatar, by its digest."""
    extension = EXTENSIONS[measured.content_type or "image/jpeg"]
    return f"avatars/{avatar.niche}/{avatar.handle}/images/{measured.sha256}.{extension}"


def _perform(services: Services, effect: Effect) -> RemoteJob:
    """The job at the provider, made now, found again, or known from before."""
    made: list[RemoteJob] = []

    def call(current: Effect) -> Accepted:
        key = reference_key_of(current)
        # Presigned for this one call, and kept nowhere.
        url = services.objects.presign(key) if key is not None else None
        made.append(services.images.create(request_of(current, url)))
        return Accepted(made[-1].id)

    performed = services.effects.perform(
        effect,
        call,
        lambda e: find_image(services, e),
        gate=lambda: _gate(services, effect),
    )
    if made and made[-1].id == performed.remote_id:
        return made[-1]
    if performed.remote_id is None:
        raise Permanent(effect.provider, f"effect {effect.id} ended without a prediction.")
    try:
        return services.images.get(performed.remote_id)
    except Permanent as error:
        if error.code not in GONE:
            raise
        # Lost there: this image is unusable, and the slot's next try takes its place.
        return RemoteJob(performed.remote_id, "failed", error=f"not known any more: {error}")


@contextmanager
def _gate(services: Services, effect: Effect) -> Generator[None]:
    """The slot, and the look-ups: once the dispatch is recorded the grace runs, so no waiting."""
    with services.slots.hold("replicate"):
        services.images.prepare(request_of(effect, None))
        yield


def find_image(services: Services, effect: Effect) -> Accepted | None:
    """Read the provider back: is there a prediction of this intent? Changes nothing there.

    Whatever became of it, it was taken: how it ended is settled together with the image's row,
    because an effect that ended without one could never be tried again.
    """
    if effect.remote_id is not None:
        return Accepted(services.images.get(effect.remote_id).id)
    since = effect.dispatched_at or services.clock.now() - LOOK_BACK
    found = services.images.find(request_of(effect, None), since)
    return Accepted(found.id) if found is not None else None


def _wait_for_end(services: Services, job: RemoteJob) -> RemoteJob:
    """Poll until the job has ended; holds a slot meanwhile, because the provider is working."""
    if job.status in TERMINAL:
        return job
    wait = POLL_FIRST_S
    deadline = time.monotonic() + POLL_LIMIT_S
    with services.slots.hold("replicate"):
        while job.status not in TERMINAL:
            if time.monotonic() > deadline:
                raise Transient("replicate", f"prediction {job.id} is still {job.status}.")
            services.clock.sleep(wait)
            wait = min(wait * 1.5, POLL_MOST_S)
            job = services.images.get(job.id)
    return job


def _fetch(services: Services, url: str) -> bytes | str:
    """The image, or the reason why it can never be had."""
    wait = POLL_FIRST_S
    for last in (False,) * (FETCH_TRIES - 1) + (True,):
        try:
            return services.images.fetch(url, MAX_BYTES)
        except Permanent as error:
            if error.code in GONE:
                return f"the output could not be fetched: {error}"[:500]
            raise
        except (Transient, Unknown):
            # Reading has no effect: an unknown outcome may be tried again.
            if last:
                raise
            services.clock.sleep(wait)
            wait *= 2
    raise AssertionError("unreachable")
