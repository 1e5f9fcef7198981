"""The picture of all stills of a plan. Belongs here: gathering thumbnails, storing the sheet.

Does not: layout (pictures.contact_sheet). Thumbnails of stills that an earlier run made are read
from the store again. At most `MOST` stills are shown, spread evenly over the plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from vixen_pipeline.pictures.contact_sheet import sheet_of, thumbnail

if TYPE_CHECKING:
    from PIL.Image import Image

    from vixen_pipeline.db.models import RenderedImage
    from vixen_pipeline.identity.registry import AvatarRef
    from vixen_pipeline.services import Services

MOST = 100
_READERS = 8


def store_sheet(
    services: Services,
    avatar: AvatarRef,
    images: Sequence[RenderedImage],
    tiles: Mapping[int, Image],
) -> str | None:
    """The object key of the sheet of these images, in their order; None without any."""
    shown = [images[index * len(images) // MOST] for index in range(MOST)]
    shown = list({image.id: image for image in (shown if len(images) > MOST else images)}.values())
    if not shown:
        return None
    lacking = [image for image in shown if image.id not in tiles]
    with ThreadPoolExecutor(_READERS, "thumbnails") as pool:
        read = pool.map(partial(_tile, services), lacking)
        found = {image.id: tile for image, tile in zip(lacking, read, strict=True)}
    sheet = sheet_of([tiles.get(image.id) or found[image.id] for image in shown])
    digest = hashlib.sha256(sheet).hexdigest()
    key = f"avatars/{avatar.niche}/{avatar.handle}/contact-sheets/{digest}.jpg"
    services.objects.put(key, sheet, "image/jpeg")
    return key


def _tile(services: Services, image: RenderedImage) -> Image:
    return thumbnail(services.objects.get(image.object_key or ""))
