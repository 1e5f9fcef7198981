"""Pictures that are none: black, a GIF, one pixel, a bomb, half a file. For the content faults.

Belongs here: their bytes. Does not: when they are sent (modal_work.py).
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from functools import lru_cache

BOMB_SIDE = 10_000


def odd(kind: str, good: bytes, width: int, height: int, mark: str) -> bytes:
    """The bytes of an odd picture: `kind` is black, gif, tiny, bomb or truncated."""
    if kind == "truncated":
        return good[: len(good) // 2]
    if kind == "bomb":
        return _bomb()
    return _flat(kind, 1 if kind == "tiny" else width, 1 if kind == "tiny" else height, mark)


def _flat(kind: str, width: int, height: int, mark: str) -> bytes:
    from PIL import Image

    tone = hashlib.sha256(mark.encode()).digest()[0]
    buffer = io.BytesIO()
    if kind == "gif":
        Image.new("RGB", (width, height), (tone, 120, 90)).save(buffer, "GIF")
    elif kind == "tiny":
        Image.new("RGB", (width, height), (tone, 120, 90)).save(buffer, "JPEG", comment=mark)
    else:
        Image.new("RGB", (width, height)).save(buffer, "JPEG", comment=mark)
    return buffer.getvalue()


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    """A sound PNG of 100 megapixels in some kilobytes: 10,000 rows of 10,000 black bits."""
    row = b"\x00" * (1 + BOMB_SIDE // 8)
    header = struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(row * BOMB_SIDE, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
