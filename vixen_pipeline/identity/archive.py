"""The zip a trainer reads. Belongs here: its layout and its bytes, the same for the same content.

Does not: choosing images, storing. Images are read one at a time and written straight to a file,
so memory stays flat; timestamps and order are fixed, so the digest is the content's own.

Layout: `NNN.jpg` and `NNN.txt` (its caption) for each image from 001, `caption.csv` (the same
captions in the form the SDXL trainer reads: columns `caption,image_file`), `manifest.json`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from vixen_pipeline.db.base import Json

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ArchiveImage:
    """One image of the archive: how to read it (JPEG bytes), and what its caption is."""

    number: int
    read: Callable[[], bytes]
    caption: str

    @property
    def file_name(self) -> str:
        return f"{self.number:03d}.jpg"


@dataclass(frozen=True, slots=True)
class WrittenArchive:
    """The file written: its SHA-256 (hex) and size."""

    path: Path
    sha256: str
    bytes: int


def write_archive(path: Path, images: Iterable[ArchiveImage], manifest: Json) -> WrittenArchive:
    """Write the zip to `path`. `images` are numbered from 1, in order."""
    captions: list[tuple[str, str]] = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for image in images:
            _add(archive, image.file_name, image.read())
            _add(archive, f"{image.number:03d}.txt", image.caption.encode())
            captions.append((image.caption, image.file_name))
        _add(archive, "caption.csv", _caption_csv(captions))
        _add(archive, "manifest.json", json.dumps(manifest, indent=1, sort_keys=True).encode())
    return WrittenArchive(path, _sha256(path), path.stat().st_size)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _FIXED_TIME)
    info.create_system = 3
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)


def _caption_csv(rows: list[tuple[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("caption", "image_file"))
    writer.writerows(rows)
    return out.getvalue().encode()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
