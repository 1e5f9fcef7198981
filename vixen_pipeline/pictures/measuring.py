"""One image measured: file, size, sharpness, hash, identity, moderation.

Belongs here: taking all measurements of bytes. Does not: thresholds and verdicts (quality.py),
storing. Pixels are worked on by one thread per core, whoever asks: more would only take time from
the threads that wait on providers, and each thread that handles large arrays keeps memory of its
own (200 MB less over twenty threads).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from vixen_pipeline.db.base import Json
from vixen_pipeline.errors import NotImage, Transient, Unknown
from vixen_pipeline.pictures.files import open_picture
from vixen_pipeline.pictures.quality import difference_hash, moderation_json, sharpness_of
from vixen_pipeline.pictures.scorers import IdentityScorer

if TYPE_CHECKING:
    from vixen_pipeline.pictures.scorers import Descriptor
    from vixen_pipeline.services import Services

MODERATION_TRIES = 4
FIRST_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Measurements:
    """The columns of a measured image; `unusable` says why there are no others."""

    unusable: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    width: int | None = None
    height: int | None = None
    content_type: str | None = None
    phash: int | None = None
    sharpness: float | None = None
    identity_score: float | None = None
    identity_scorer: str | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """Whom the images must show: the description of the reference portrait by one scorer.

    A reference that could not be described makes every score "not measured". `is_portrait`: the
    image is to become the reference itself; it is only asked whether it can be described.
    """

    scorer: IdentityScorer
    reference: Descriptor | None
    is_portrait: bool = False

    def score(self, description: Descriptor | None) -> float | None:
        """The similarity to the reference; None is "not measured"."""
        if description is None:
            return None
        if self.is_portrait:
            return 1.0
        if self.reference is None:
            return None
        return self.scorer.similarity(self.reference, description)


@cache
def _measuring() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, "measuring")


def measure(data: bytes, anchor: Anchor) -> Measurements:
    """All measurements that need only the pixels (about 20 ms of one core for 1024x1024)."""
    return _measuring().submit(_measure, data, anchor).result()


def _measure(data: bytes, anchor: Anchor) -> Measurements:
    try:
        picture = open_picture(data)
    except NotImage as error:
        return Measurements(unusable=str(error))
    return Measurements(
        sha256=picture.sha256,
        bytes=picture.bytes,
        width=picture.width,
        height=picture.height,
        content_type=picture.content_type,
        phash=difference_hash(picture),
        sharpness=sharpness_of(picture),
        identity_score=anchor.score(anchor.scorer.describe(picture)),
        identity_scorer=anchor.scorer.name,
    )


def moderate(services: Services, data: bytes, content_type: str) -> Json | None:
    """The moderator's verdict; None when it could not be had: not measured, never a pass."""
    wait = FIRST_WAIT_S
    for last in (False,) * (MODERATION_TRIES - 1) + (True,):
        try:
            with services.slots.hold("text"):
                return moderation_json(services.moderator.moderate_image(data, content_type))
        except (Transient, Unknown) as error:
            # Reading has no effect, so an unknown outcome is as good as none.
            if last:
                return None
            stated = error.retry_after if isinstance(error, Transient) else None
            services.clock.sleep(min(stated if stated is not None else wait, 20.0))
            wait *= 2
    return None
