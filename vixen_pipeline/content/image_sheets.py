"""Contact sheets of a plan's accepted images. Belongs here: tiles made on the way, sheets kept.

Does not: layout (pictures.contact_sheet). A tile is made while the image's bytes are at hand; a
sheet is an object named after what it shows, so that describing a finished plan again reads one
small object and not every image.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vixen_pipeline.db.models import RenderedImage
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.pictures.contact_sheet import sheet_of, thumbnail

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

MOST_TILES = 100


class ContactSheets:
    """The tiles of one run, by object key. Safe for threads."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._tiles: dict[str, bytes] = {}

    def watch(self, object_key: str, data: bytes) -> None:
        """Keep the tile (2 kB) of an image that was stored."""
        out = io.BytesIO()
        thumbnail(data).save(out, "JPEG", quality=90)
        with self._lock:
            self._tiles[object_key] = out.getvalue()

    def sheet(self, avatar: AvatarRef, rows: Sequence[RenderedImage]) -> bytes | None:
        """A JPEG of the first images, ten in a row; None when there is none."""
        keys = [row.object_key for row in rows if row.object_key is not None]
        if not keys:
            return None
        shown, objects = keys[:MOST_TILES], self._services.objects
        digest = hashlib.sha256("\n".join(shown).encode()).hexdigest()[:32]
        place = f"avatars/{avatar.niche}/{avatar.handle}/sheets/{digest}.jpg"
        if objects.exists(place):
            return objects.get(place)
        sheet = sheet_of([thumbnail(self._tile(key)) for key in shown])
        objects.put(place, sheet, "image/jpeg")
        return sheet

    def _tile(self, key: str) -> bytes:
        with self._lock:
            tile = self._tiles.pop(key, None)
        return tile if tile is not None else self._services.objects.get(key)
