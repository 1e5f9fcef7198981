"""One still made: its shapes cut, signed last, stored by content. Belongs here: that order.

Does not: judging (piece_gate.py), rows (piece_rows.py), how pixels are worked on. Files are stored
before their row is written: a kill in between leaves files that no row names (a signature is drawn
anew each time, so they are not found again), never a row without its files nor a second row.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from vixen_pipeline.content.piece_gate import Admitted
from vixen_pipeline.content.piece_rows import ShotCosts, ShotState
from vixen_pipeline.db.base import Json
from vixen_pipeline.errors import StageFailed
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.pictures.contact_sheet import THUMBNAIL
from vixen_pipeline.pictures.files import Picture
from vixen_pipeline.pictures.quality import hash_bits
from vixen_pipeline.pictures.renditions import (
    CONTENT_TYPE,
    HEAD_BOX,
    Rendition,
    make_renditions,
    upright_srgb,
)
from vixen_pipeline.safety.provenance import Ingredient, Origin, SignedFile, sign_file

if TYPE_CHECKING:
    from datetime import datetime

    from PIL.Image import Image

    from vixen_pipeline.db.models import RenderedImage
    from vixen_pipeline.pictures.scorers import Descriptor
    from vixen_pipeline.safety.credentials import Credentials
    from vixen_pipeline.services import Services

SHAPES = {"instagram": ("4:5", "1:1"), "tiktok": ("9:16",)}
"""What each platform is fed with: Instagram's feed and grid, TikTok's full screen."""
_SMALL = 2 * THUMBNAIL
"""Heads are looked for, and thumbnails made, of pictures about this large: they need no more."""
VIDEO_SHAPE = "9:16"
"""What slideshow videos are made of, whichever the platform."""


@dataclass(frozen=True, slots=True)
class StillTask:
    """Everything that one still is made from; nothing in it is read again."""

    avatar: AvatarRef
    shot: ShotState
    image: RenderedImage
    admitted: Admitted
    costs: ShotCosts
    model_digest: str | None
    head: Descriptor | None


@dataclass(frozen=True, slots=True)
class MadeStill:
    """A still whose files are stored: the rows to write, and a thumbnail for the contact sheet."""

    task: StillTask
    piece: Json
    files: tuple[Json, ...]
    tile: Image


def shapes_of(platforms: Sequence[str], formats: Json) -> list[str]:
    """The shapes that a plan's stills are made in, in a fixed order, each once."""
    names = [name for platform in platforms for name in SHAPES.get(platform, ())]
    if int(formats.get("slideshow", 0)) > 0:
        names.append(VIDEO_SHAPE)
    return list(dict.fromkeys(names))


def make_still(services: Services, credentials: Credentials, task: StillTask) -> MadeStill:
    """Fetch, cut, sign, store. Raises StageFailed, Permanent (signing, objects) or Unavailable."""
    if task.image.object_key is None:
        raise StageFailed("content_pieces", f"image {task.image.id} was never stored")
    data = services.objects.get(task.image.object_key)
    now = services.clock.now()
    cut = _working().submit(_cut, data, credentials, task, now).result()
    avatar = task.avatar
    folder = f"avatars/{avatar.niche}/{avatar.handle}/pieces"
    files: list[Json] = []
    for rendition, signed in cut.files:
        sha256 = hashlib.sha256(signed.data).hexdigest()
        key = f"{folder}/{sha256}.jpg"
        services.objects.put(key, signed.data, CONTENT_TYPE)
        files.append(_file(rendition, signed, key, sha256))
    shapes = {each.name: {"how": each.how, "scale": each.scale} for each, _ in cut.files}
    piece = _piece(task, {**_lineage(services, task), "renditions": shapes}, services.run_id)
    return MadeStill(task, piece, tuple(files), cut.tile)


@dataclass(frozen=True, slots=True)
class _Cut:
    files: tuple[tuple[Rendition, SignedFile], ...]
    tile: Image


@cache
def _working() -> ThreadPoolExecutor:
    """One thread per core for pixels, whoever asks; the callers' threads wait for the store."""
    return ThreadPoolExecutor(os.cpu_count() or 1, "renditions")


def _cut(data: bytes, credentials: Credentials, task: StillTask, now: datetime) -> _Cut:
    from PIL import ImageOps
    from PIL.Image import Resampling

    image = upright_srgb(data)
    names = shapes_of(task.shot.plan.platforms, task.shot.plan.formats)
    small = image.reduce(max(1, min(image.size) // _SMALL))
    renditions = make_renditions(image, names, _head(small, task.head))
    files = tuple(
        (each, sign_file(credentials, each.data, CONTENT_TYPE, _origin(task, each.name, now)))
        for each in renditions
    )
    return _Cut(files, ImageOps.fit(small, (THUMBNAIL, THUMBNAIL), Resampling.BILINEAR))


def _head(image: Image, reference: Descriptor | None) -> tuple[float, float, float, float]:
    """Where the avatar's head is, by its reference portrait; an average place without one."""
    if reference is None:
        return HEAD_BOX
    from vixen_pipeline.pictures.scorers_appearance import AppearanceScorer, head_box

    picture = Picture(image, CONTENT_TYPE, image.width, image.height, "", 0)
    found = AppearanceScorer().describe(picture)
    return HEAD_BOX if found is None else head_box(reference, found, image.width, image.height)


def _origin(task: StillTask, shape: str, now: datetime) -> Origin:
    model = task.image.model or "unknown model"
    ingredients = [Ingredient("LoRA of the avatar", task.image.weights_sha256, "lora")]
    if task.model_digest is not None:
        ingredients.insert(0, Ingredient(model, task.model_digest, "model"))
    return Origin(
        title=f"{task.avatar.display_name}, virtual creator ({shape})",
        piece=_key(task),
        software=model,
        made_at=now,
        ingredients=ingredients,
        details={
            "avatar": task.avatar.key,
            "shape": shape,
            "model": model,
            "modelDigest": task.model_digest or "not stated",
            "loraSha256": task.image.weights_sha256,
            "imageSha256": task.image.sha256 or "",
        },
    )


def _key(task: StillTask) -> str:
    return f"still:{task.image.id}"


def _file(rendition: Rendition, signed: SignedFile, key: str, sha256: str) -> Json:
    return {
        "name": rendition.name,
        "object_key": key,
        "sha256": sha256,
        "bytes": len(signed.data),
        "width": rendition.width,
        "height": rendition.height,
        "content_type": CONTENT_TYPE,
        "phash": rendition.phash,
        "phash_bits": hash_bits(rendition.phash),
        "credentials": signed.credentials,
    }


def _piece(task: StillTask, lineage: Json, run_id: str | None) -> Json:
    admitted = task.admitted
    return {
        "avatar_id": task.avatar.id,
        "plan_id": task.shot.plan.id,
        "key": _key(task),
        "format": "still",
        "shot_id": task.shot.id,
        "image_id": task.image.id,
        "declared_tier": task.shot.tier,
        "tier": admitted.tier,
        "tier_reason": admitted.tier_reason,
        "state": admitted.state,
        "state_reason": admitted.state_reason,
        "disclosure": dict(admitted.disclosure),
        "lineage": lineage,
        "usd": task.costs.left,
        "run_id": run_id,
    }


def _lineage(services: Services, task: StillTask) -> Json:
    shot, image = task.shot, task.image
    return {
        "plan": shot.plan.number,
        "shot": shot.position,
        "scene": shot.scene,
        "template": shot.template,
        "choices": shot.choices,
        "prompt": image.prompt,
        "planned_prompt": shot.prompt,
        "negative_prompt": shot.negative_prompt,
        "seed": image.seed,
        "model": image.model,
        "model_digest": task.model_digest,
        "weights_sha256": image.weights_sha256,
        "image": {
            "id": image.id,
            "request_id": image.request_id,
            "attempt": image.attempt,
            "sha256": image.sha256,
            "effect": image.effect_id,
        },
        "copies": {platform: copy.id for platform, copy in shot.copies.items()},
        "usd": {"images": str(task.costs.images), "copies": str(task.costs.copies)},
        "run": services.run_id,
    }
