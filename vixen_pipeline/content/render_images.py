"""From an answer's bytes to stored, measured, moderated images. Belongs here: one image at a time.

Does not: calls (render_calls.py), rows (render_rows.py), verdicts (pictures.quality). The object's
key is its digest, so storing it again after a crash changes nothing.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import RenderedImage
from vixen_pipeline.identity.image_making import image_key
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.pictures.measuring import Anchor, Measurements, measure, moderate
from vixen_pipeline.pictures.quality import hash_bits
from vixen_pipeline.providers.inference_ports import InferenceBatch

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

MOST_REASON = 300


def make_image(
    services: Services,
    avatar: AvatarRef,
    anchor: Anchor,
    batch: InferenceBatch | None,
    request_id: str,
) -> Json:
    """The columns of one image of an answer. Raises Unavailable when the store is down."""
    if batch is None:
        reason = "lost: the provider does not know the call any more"
        return _columns(Measurements(unusable=reason), None, None)
    data = batch.images.get(request_id)
    if data is None:
        reason = f"the provider gave none: {batch.failed.get(request_id, 'no reason')}"
        return _columns(Measurements(unusable=reason[:MOST_REASON]), None, None)
    measured = measure(data, anchor)
    if measured.unusable is not None or measured.content_type is None:
        return _columns(measured, None, None)
    key = image_key(avatar, measured)
    services.objects.put(key, data, measured.content_type)
    return _columns(measured, key, moderate(services, data, measured.content_type))


def measure_again(services: Services, row: RenderedImage, anchor: Anchor) -> Json:
    """The columns of a stored image that lacks a measurement; a verdict of moderation stays."""
    data = services.objects.get(row.object_key or "")
    measured = measure(data, anchor)
    moderation = row.moderation
    if moderation is None and measured.content_type is not None:
        moderation = moderate(services, data, measured.content_type)
    return _columns(measured, row.object_key, moderation)


def lacks_measurement(row: RenderedImage, scorer: str) -> bool:
    """Whether a stored image lacks what can still be had: moderation, or this scorer's score."""
    stored = row.settled_at is not None and row.unusable is None and row.object_key is not None
    return stored and (row.moderation is None or row.identity_scorer != scorer)


def _columns(measured: Measurements, object_key: str | None, moderation: Json | None) -> Json:
    bits = hash_bits(measured.phash) if measured.phash is not None else None
    return {
        **asdict(measured),
        "phash_bits": bits,
        "object_key": object_key,
        "moderation": moderation,
    }
