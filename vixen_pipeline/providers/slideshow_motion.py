"""The moving pictures of a slideshow: stills in, raw video frames out.

Belongs here: framing, gentle motion, cross-fades, colour planes. Does not: ffmpeg (slideshow.py).
Each still drifts slowly nearer or away (at most `ZOOM`), along a direction that the seed chooses,
and fades into the next. Frames are cut at fractions of a pixel, so slow motion does not shake, and
they are made as the planes that H.264 stores (BT.709, 4:2:0): half the work of RGB, and no colour
conversion afterwards.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

FPS = 25
FADE_S = 0.4
ZOOM = 0.06
"""How much of the picture a drift travels: more would blur a still that is no larger than the
video, and cut into faces near an edge."""
MAX_PIXELS = 25_000_000

# Rows of the BT.709 matrix for studio range (16..235, 16..240), with the offset last.
_Y = (0.18259, 0.61423, 0.06201, 16.0)
_CB = (-0.10064, -0.33857, 0.43922, 128.0)
_CR = (0.43922, -0.39894, -0.04027, 128.0)

Planes = tuple["Image", "Image", "Image"]


@dataclass(frozen=True, slots=True)
class Drift:
    """Where the view of one still begins and ends: (left, top, width share) of the picture."""

    begin: tuple[float, float, float]
    end: tuple[float, float, float]

    def at(self, share: float) -> tuple[float, float, float]:
        eased = share * share * (3 - 2 * share)  # starts and stops softly
        left, top, width = (a + (b - a) * eased for a, b in zip(self.begin, self.end, strict=True))
        return left, top, width


def drift(seed: int, index: int) -> Drift:
    """The motion of still `index`: in and out take turns, the direction comes from the seed."""
    chance = random.Random(f"{seed}:{index}")
    whole = (0.0, 0.0, 1.0)
    # Faces are in the upper half: the near view never leaves it far.
    near = (ZOOM * chance.random(), ZOOM * 0.6 * chance.random(), 1.0 - ZOOM)
    return Drift(whole, near) if index % 2 == 0 else Drift(near, whole)


def frame_counts(stills: int, seconds: float) -> tuple[int, int]:
    """Frames per still and per fade; the whole video has `stills` times the former."""
    each = max(2, round(seconds * FPS))
    fade = min(round(FADE_S * FPS), each // 2) if stills > 1 else 0
    return each, fade


def planes_of(data: bytes, width: int, height: int) -> Planes:
    """A still as luma and two half-size chroma planes, cropped to `width` x `height`.

    Raises OSError or ValueError for bytes that are no picture.
    """
    from PIL import Image, ImageOps

    opened = Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP"))
    if opened.width * opened.height > MAX_PIXELS:
        raise ValueError(f"the still claims {opened.width}x{opened.height} pixels")
    still = opened.convert("RGB")
    if still.size != (width, height):
        still = ImageOps.fit(still, (width, height), Image.Resampling.LANCZOS, centering=(0.5, 0.3))
    small = still.reduce(2)
    return still.convert("L", _Y), small.convert("L", _CB), small.convert("L", _CR)


def frames(stills: Sequence[Planes], seconds: float, seed: int) -> Iterator[bytes]:
    """Every frame of the video in order: the three planes one after another."""
    from PIL import Image

    each, fade = frame_counts(len(stills), seconds)
    for index, still in enumerate(stills):
        path, after = drift(seed, index), drift(seed, index + 1)
        last = index + 1 == len(stills)
        for number in range(each):
            # A still moves on while it fades out, and begins to while it fades in.
            view = _view(still, path.at(_share(number, each, fade, began=index > 0)))
            left = each - number
            if not last and left <= fade:
                coming = _view(stills[index + 1], after.at(_share(-left, each, fade, began=True)))
                share = (fade - left + 1) / (fade + 1)
                view = [Image.blend(a, b, share) for a, b in zip(view, coming, strict=True)]
            yield b"".join(plane.tobytes() for plane in view)


def _share(number: int, each: int, fade: int, *, began: bool) -> float:
    """How far a drift has come at frame `number` of its still; it began while fading in."""
    before = fade if began else 0
    return (number + before) / (each + before - 1)


def _view(planes: Planes, place: tuple[float, float, float]) -> list[Image]:
    from PIL.Image import Resampling

    left, top, share = place
    views: list[Image] = []
    for plane in planes:
        width, height = plane.size
        box = (left * width, top * height, (left + share) * width, (top + share) * height)
        views.append(plane.resize(plane.size, Resampling.BILINEAR, box=box))
    return views
