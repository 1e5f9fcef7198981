"""A small picture of many pictures, for the Dagster UI. Belongs here: layout and the size cap.

Does not: choosing images or storing. The sheet is shown inside metadata as markdown, so its
base64 text stays under `MAX_MARKDOWN_BYTES` whatever the images are.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_MARKDOWN_BYTES = 100_000
MAX_COLUMNS = 10
THUMBNAIL = 72
PREVIEW = 256
_QUALITIES = (80, 70, 60, 50, 40, 30, 20, 10)


def thumbnail(data: bytes, side: int = THUMBNAIL) -> Image:
    """A square RGB thumbnail; JPEG files are decoded at reduced size, so this is cheap."""
    from PIL import Image, ImageOps

    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (side * 2, side * 2))
    return ImageOps.fit(image.convert("RGB"), (side, side))


def contact_sheet(read_images: Iterable[Callable[[], bytes]], *, side: int = THUMBNAIL) -> bytes:
    """One JPEG with all images in rows; one image is decoded at a time. At least one is needed."""
    return sheet_of([thumbnail(read(), side) for read in read_images])


def sheet_of(tiles: Sequence[Image]) -> bytes:
    """One JPEG of square tiles of one size, ten in a row."""
    from PIL import Image

    side = tiles[0].width
    columns = min(MAX_COLUMNS, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGB", (columns * side, rows * side), "white")
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (index % columns * side, index // columns * side))
    return _fit(sheet)


def _fit(sheet: Image) -> bytes:
    """The JPEG of best quality that fits the cap; the sheet is halved when none does."""
    limit = MAX_MARKDOWN_BYTES * 3 // 4 - 100
    while True:
        for quality in _QUALITIES:
            out = io.BytesIO()
            sheet.save(out, "JPEG", quality=quality, optimize=True)
            if out.tell() <= limit:
                return out.getvalue()
        sheet = sheet.resize((max(1, sheet.width // 2), max(1, sheet.height // 2)))


def markdown_image(image: bytes, title: str) -> str:
    """`image` (JPEG or PNG) as a markdown image that needs no request to be shown."""
    kind = "png" if image.startswith(b"\x89PNG") else "jpeg"
    return f"![{title}](data:image/{kind};base64,{base64.b64encode(image).decode()})"
