"""The picture in the shapes that platforms show: 4:5, 9:16 and 1:1.

Belongs here: sizes, the rule of cropping and padding, the JPEG. Does not: which plan needs which
shape, signing, storing.

The rule: a shape is cropped out when that keeps at least `LEAST_KEPT` of the picture and the whole
head, and enlarges it at most `MOST_SCALE` times; the crop is moved so that the head stays whole,
from a place that keeps more of the top than of the bottom. Otherwise the picture is shown whole and
the rest is filled with its own colours, blurred. Nothing is ever stretched. Files are baseline
sRGB JPEG with that profile in them and without EXIF, whatever the original carried.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from vixen_pipeline.pictures.files import Picture
from vixen_pipeline.pictures.quality import difference_hash

if TYPE_CHECKING:
    from PIL.Image import Image

SIZES: dict[str, tuple[int, int]] = {
    "4:5": (1080, 1350),
    "9:16": (1080, 1920),
    "1:1": (1080, 1080),
}
"""Width and height in pixels: the largest that Instagram and TikTok show."""
LEAST_KEPT = 2 / 3
MOST_SCALE = 2.0
FROM_TOP = 0.3
"""How much of what is cut in height is cut at the top when the head leaves the choice."""
QUALITY = 88
CONTENT_TYPE = "image/jpeg"
HEAD_BOX = (0.28, 0.05, 0.72, 0.55)
"""Where a head is in a portrait shot, as shares, when nobody looked."""
_BLUR_SIDE = 24
_LEAST_HASHED = 144

Box = tuple[float, float, float, float]
"""Left, top, right, bottom: as shares of the picture, or in its pixels."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """One shape. `how` it came about; `scale` is by how much the picture was enlarged."""

    name: str
    data: bytes
    width: int
    height: int
    phash: int
    how: Literal["crop", "pad", "whole"]
    scale: float


def make_renditions(image: Image, names: Sequence[str], head: Box = HEAD_BOX) -> list[Rendition]:
    """The shapes `names` of an RGB picture in sRGB (see `upright_srgb`), in that order.

    `head` are shares of the picture. Raises KeyError for a shape that is not in `SIZES`.
    """
    boxes = {name: crop_box(image.size, SIZES[name], head) for name in names}
    shaped: dict[str, Image] = {}
    # Largest first: a shape that lies inside another, enlarged alike, is cut out of that one.
    for name in sorted(boxes, key=lambda each: -SIZES[each][0] * SIZES[each][1]):
        box = boxes[name]
        if box is not None:
            done = {other: boxes[other] for other in shaped}
            shaped[name] = _inner(name, box, done, shaped) or _cropped(image, name, box)
    return [_rendition(image, name, boxes[name], shaped.get(name)) for name in names]


def _cropped(image: Image, name: str, box: Box) -> Image:
    from PIL.Image import Resampling

    return image.resize(SIZES[name], Resampling.BICUBIC, box, reducing_gap=2.0)


def _inner(
    name: str, box: Box, done: Mapping[str, Box | None], shaped: Mapping[str, Image]
) -> Image | None:
    """The shape cut out of one that is there already; a resize is most of what a shape costs."""
    width, height = SIZES[name]
    for other, outer in done.items():
        if outer is None or SIZES[other][0] / (outer[2] - outer[0]) != width / (box[2] - box[0]):
            continue
        scale = width / (box[2] - box[0])
        left, top = round((box[0] - outer[0]) * scale), round((box[1] - outer[1]) * scale)
        whole = SIZES[other]
        if 0 <= left <= whole[0] - width and 0 <= top <= whole[1] - height:
            return shaped[other].crop((left, top, left + width, top + height))
    return None


def upright_srgb(data: bytes) -> Image:
    """The picture as people see it: turned as its EXIF says, in sRGB, without any metadata.

    `data` must have passed `files.open_picture`.
    """
    from PIL import Image, ImageOps

    opened = Image.open(io.BytesIO(data))
    image = ImageOps.exif_transpose(opened)
    profile = opened.info.get("icc_profile")
    if isinstance(profile, bytes) and profile:
        image = _to_srgb(image, profile)
    image = image if image.mode == "RGB" else image.convert("RGB")
    image.info.clear()
    return image


def _to_srgb(image: Image, profile: bytes) -> Image:
    """Converted from its own colours. A profile that cannot be read counts as sRGB."""
    from PIL import ImageCms

    if profile == _srgb():
        return image
    image = image.convert("RGB") if image.mode not in ("RGB", "CMYK", "L") else image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        done = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image
    return image if done is None else done


@cache
def _srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _rendition(image: Image, name: str, box: Box | None, shaped: Image | None) -> Rendition:
    width, height = SIZES[name]
    how: Literal["crop", "pad", "whole"] = "pad"
    if box is None or shaped is None:
        shaped, scale = _padded(image, width, height)
    else:
        scale = width / (box[2] - box[0])
        whole = (box[2] - box[0]) * (box[3] - box[1]) >= image.width * image.height
        how = "whole" if whole else "crop"
    out = io.BytesIO()
    shaped.save(out, "JPEG", quality=QUALITY, icc_profile=_srgb())
    phash = _hash(shaped) if box is None else _hash(*_quarter(image, box))
    return Rendition(name, out.getvalue(), width, height, phash, how, round(scale, 3))


def _quarter(image: Image, box: Box) -> tuple[Image, Box]:
    """What is in `box`, a quarter as large. A hash looks at 9x8 cells: enlarging changes none of
    them, and hashing the file's two million pixels would take ten times as long."""
    by = 4 if min(box[2] - box[0], box[3] - box[1]) >= 4 * _LEAST_HASHED else 1
    small = image.reduce(by)
    left, top, right, bottom = (edge / by for edge in box)
    return small, (left, top, min(right, small.width), min(bottom, small.height))


def _hash(image: Image, box: Box | None = None) -> int:
    from PIL.Image import Resampling

    if box is not None:
        image = image.resize((144, 128), Resampling.BOX, box)
    return difference_hash(Picture(image, CONTENT_TYPE, image.width, image.height, "", 0))


def crop_box(size: tuple[int, int], target: tuple[int, int], head: Box = HEAD_BOX) -> Box | None:
    """What to cut out of `size` (pixels) for the shape of `target`; None: show it whole, padded."""
    width, height = size
    shape = target[0] / target[1]
    wide, high = min(width, height * shape), min(height, width / shape)
    if wide * high < LEAST_KEPT * width * height or target[0] / wide > MOST_SCALE:
        return None
    left_edge, right_edge = head[0] * width, head[2] * width
    top_edge, bottom_edge = head[1] * height, head[3] * height
    if right_edge - left_edge > wide or bottom_edge - top_edge > high:
        return None
    left = _place((width - wide) / 2, right_edge - wide, left_edge, width - wide)
    top = _place((height - high) * FROM_TOP, bottom_edge - high, top_edge, height - high)
    return left, top, left + wide, top + high


def _place(wanted: float, least: float, most: float, room: float) -> float:
    """`wanted`, moved as little as possible into least..most and into the picture."""
    return min(max(min(max(wanted, least), most), 0.0), room)


def _padded(image: Image, width: int, height: int) -> tuple[Image, float]:
    """The whole picture in the middle, on its own colours enlarged until nothing is told apart."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    scale = min(width / image.width, height / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = ImageOps.fit(image, (_BLUR_SIDE, round(_BLUR_SIDE * height / width)), Resampling.BOX)
    ground = small.resize((width, height), Resampling.BICUBIC)
    whole = image.resize(inner, Resampling.BICUBIC, reducing_gap=2.0)
    ground.paste(whole, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return ground, scale
