"""Bytes from a provider, opened as a picture or refused. Belongs here: sniffing and decoding.

Does not: judging quality (quality.py). Nothing here trusts a file name or a Content-Type: the
first bytes decide, sizes are checked before decoding, and the whole file is decoded.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vixen_pipeline.errors import NotImage

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 25_000_000
"""Checked before decoding: a decompression bomb is refused by its header."""
FLAT_RANGE = 8
"""A picture whose grey levels (2nd to 98th percentile of a 64x64 thumbnail) span less is blank."""

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\xff\xd8\xff", "JPEG", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "PNG", "image/png"),
    (b"RIFF", "WEBP", "image/webp"),
)
# What Pillow's decoders raise on files that lie about themselves.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError,
           KeyError, TypeError, OverflowError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Picture:
    """A fully decoded RGB picture and the file it came from."""

    image: Image
    content_type: str
    width: int
    height: int
    sha256: str
    bytes: int


def sniff(data: bytes) -> tuple[str, str]:
    """(Pillow format, content type) by the first bytes. Raises NotImage for what is no image."""
    for magic, name, content_type in _MAGIC:
        if data.startswith(magic) and (name != "WEBP" or data[8:12] == b"WEBP"):
            return name, content_type
    if not data:
        raise NotImage("the file is empty")
    start = data[:256].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<svg")):
        raise NotImage("the file is a web page, not an image")
    if data.startswith((b"GIF87a", b"GIF89a")):
        raise NotImage("the file is a GIF; JPEG, PNG or WebP is needed")
    raise NotImage("the file is not a JPEG, PNG or WebP image")


def open_picture(data: bytes) -> Picture:
    """Decode `data` entirely. Raises NotImage that says what is wrong with it."""
    from PIL import Image

    name, content_type = sniff(data)
    if len(data) > MAX_BYTES:
        raise NotImage(f"the file has {len(data)} bytes, at most {MAX_BYTES} are read")
    try:
        opened = Image.open(io.BytesIO(data), formats=(name,))
        width, height = opened.size
        if width * height > MAX_PIXELS:
            raise NotImage(f"the image claims {width}x{height} pixels, at most {MAX_PIXELS} in all")
        if getattr(opened, "n_frames", 1) != 1:
            raise NotImage("the image is animated")
        opened.load()
        image = opened if opened.mode == "RGB" else opened.convert("RGB")
    except Image.DecompressionBombError as error:
        raise NotImage("the image claims too many pixels") from error
    except _BROKEN as error:
        raise NotImage(f"the image is damaged or cut off ({error})") from error
    _refuse_blank(image)
    digest = hashlib.sha256(data).hexdigest()
    return Picture(image, content_type, width, height, digest, len(data))


def as_jpeg(data: bytes) -> bytes:
    """`data` itself when it is a JPEG, otherwise the same picture as one (quality 95)."""
    if data.startswith(b"\xff\xd8\xff"):
        return data
    out = io.BytesIO()
    open_picture(data).image.save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


def _refuse_blank(image: Image) -> None:
    from PIL.Image import Resampling

    # Sampled, not averaged: fine texture is content, too.
    levels = sorted(image.resize((64, 64), Resampling.NEAREST).convert("L").tobytes())
    low, high = levels[len(levels) // 50], levels[-len(levels) // 50]
    if high - low < FLAT_RANGE:
        raise NotImage("the image is blank" if high > FLAT_RANGE else "the image is black")
