"""A filled dataset becomes an archive. Belongs here: manifest, zip, contact sheet, the row.

Does not: making or choosing images. Images come from the object store one at a time and go to a
temporary file, so memory stays flat. Keys are digests: doing this twice changes nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import GeneratedImage
from vixen_pipeline.identity.archive import ArchiveImage, WrittenArchive, write_archive
from vixen_pipeline.identity.dataset_rows import insert_dataset
from vixen_pipeline.identity.image_filling import Filling
from vixen_pipeline.identity.image_rows import load_images
from vixen_pipeline.identity.plan import PLAN_VERSION
from vixen_pipeline.identity.prompts import PROMPT_VERSION, trigger_word
from vixen_pipeline.pictures.contact_sheet import sheet_of, thumbnail
from vixen_pipeline.pictures.files import as_jpeg

if TYPE_CHECKING:
    from PIL.Image import Image

    from vixen_pipeline.services import Services

MANIFEST_VERSION = 1


def publish_dataset(services: Services, portrait_id: int, filling: Filling) -> None:
    """Zip the chosen images of `filling`, store the archive, and insert the dataset's row."""
    collection = filling.collection
    with services.database.begin() as session:
        rows = [row for row in load_images(session, collection) if row.selected]
    manifest = _manifest(filling, rows)
    folder = f"avatars/{collection.avatar.niche}/{collection.avatar.handle}"
    with tempfile.TemporaryDirectory(prefix="vixen-dataset-") as scratch:
        tiles: list[Image] = []
        path = Path(scratch) / "dataset.zip"
        written = write_archive(path, _images(services, rows, tiles), manifest)
        key = f"{folder}/datasets/{written.sha256}.zip"
        services.objects.put_file(key, written.path, "application/zip")
        sheet = sheet_of(tiles)
    sheet_key = f"{folder}/datasets/{sha256(sheet).hexdigest()}.jpg"
    services.objects.put(sheet_key, sheet, "image/jpeg")
    values = _values(
        filling, portrait_id, manifest | {"contact_sheet_key": sheet_key}, key, written
    )
    with services.database.begin() as session:
        insert_dataset(session, {**values, "created_at": services.clock.now()})


def _images(
    services: Services, rows: Sequence[GeneratedImage], tiles: list[Image]
) -> Iterator[ArchiveImage]:
    """The archive's images; each is thumbnailed into `tiles` on its way through."""
    for number, row in enumerate(rows, start=1):
        read = partial(_read, services, row.object_key or "", tiles)
        yield ArchiveImage(number, read, row.caption or "")


def _read(services: Services, key: str, tiles: list[Image]) -> bytes:
    data = services.objects.get(key)
    tiles.append(thumbnail(data))
    return as_jpeg(data)


def _manifest(filling: Filling, rows: Sequence[GeneratedImage]) -> Json:
    collection = filling.collection
    return {
        "version": MANIFEST_VERSION,
        "avatar": collection.avatar.key,
        "trigger_word": trigger_word(collection.avatar.handle),
        "input_digest": collection.input_digest,
        "model": collection.model,
        "plan_version": PLAN_VERSION,
        "prompt_version": PROMPT_VERSION,
        "identity_scorer": filling.anchor.scorer.name,
        "ai_generated": True,
        "images": [_entry(number, row) for number, row in enumerate(rows, start=1)],
    }


def _entry(number: int, row: GeneratedImage) -> Json:
    return {
        "file": f"{number:03d}.jpg",
        "sha256": row.sha256,
        "caption": row.caption,
        "shot": row.shot,
        "attempt": row.attempt,
        "seed": row.seed,
        "width": row.width,
        "height": row.height,
        "phash": f"{(row.phash or 0) & 0xFFFF_FFFF_FFFF_FFFF:016x}",
        "sharpness": row.sharpness,
        "identity_score": row.identity_score,
    }


def _values(
    filling: Filling, portrait_id: int, manifest: Json, key: str, written: WrittenArchive
) -> Json:
    return {
        "avatar_id": filling.collection.avatar.id,
        "input_digest": filling.collection.input_digest,
        "portrait_id": portrait_id,
        "image_count": len(manifest["images"]),
        "manifest": manifest,
        "archive_key": key,
        "archive_sha256": written.sha256,
        "archive_bytes": written.bytes,
    }
