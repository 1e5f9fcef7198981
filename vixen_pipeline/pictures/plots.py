"""Small PNG plots for asset metadata: a histogram, bars. Belongs here: drawing them.

Does not: choosing what to plot. Drawn with Pillow in about two milliseconds; a plotting library
would take a second of each run to import and tens of milliseconds per figure.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

WIDTH, HEIGHT = 360, 180
BINS = 20
_TOP, _BOTTOM, _SIDE = 26, 22, 12
_INK, _BAR, _LIMIT, _GREY = (32, 36, 44), (74, 111, 165), (190, 60, 60), (200, 204, 212)
_TEXT = 12
_LONGEST_TITLE = 52
_MOST_BARS = 12


def histogram_png(values: Sequence[float], title: str, threshold: float | None = None) -> bytes:
    """How `values` are spread, as a PNG; `threshold` is a red line. No values: a plot saying so."""
    image, pen = _canvas(f"{title} (n={len(values)})")
    if not values:
        return _empty(image, pen)
    ends = [*values] if threshold is None else [*values, threshold]
    low, high = min(ends), max(ends)
    span = (high - low) or 1.0
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int((value - low) / span * BINS))] += 1
    room = WIDTH - 2 * _SIDE
    for index, count in enumerate(counts):
        left = _SIDE + room * index // BINS
        _bar(pen, left, _SIDE + room * (index + 1) // BINS - 2, count / max(counts))
    if threshold is not None:
        at = _SIDE + int((threshold - low) / span * room)
        pen.line((at, _TOP, at, HEIGHT - _BOTTOM), fill=_LIMIT, width=2)
    _axis(pen, f"{low:.3g}", f"{high:.3g}")
    return _png(image)


def bars_png(counts: Mapping[str, float], title: str) -> bytes:
    """One bar per name with its count, in the mapping's order, at most twelve; a PNG."""
    image, pen = _canvas(title)
    shown = dict(list(counts.items())[:_MOST_BARS])
    if not shown:
        return _empty(image, pen)
    most = max(max(shown.values()), 1e-9)
    room = (WIDTH - 2 * _SIDE) // len(shown)
    for index, (name, count) in enumerate(shown.items()):
        left = _SIDE + room * index
        share = max(0.0, count / most)
        _bar(pen, left + 3, left + room - 4, share * 0.88)
        middle = left + room // 2
        _label(pen, (middle, HEIGHT - _BOTTOM - int(share * 0.88 * _room()) - 16), f"{count:g}")
        _label(pen, (middle, HEIGHT - _BOTTOM + 4), name[: max(3, room // 7)])
    _axis(pen)
    return _png(image)


def _room() -> int:
    return HEIGHT - _TOP - _BOTTOM


def _canvas(title: str) -> tuple[Image, ImageDraw]:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    pen.font = ImageFont.load_default(_TEXT)
    pen.text((_SIDE, 6), title[:_LONGEST_TITLE], fill=_INK)
    return image, pen


def _bar(pen: ImageDraw, left: int, right: int, share: float) -> None:
    """A bar from the axis; what is more than nothing is at least one pixel high."""
    if share > 0:
        top = HEIGHT - _BOTTOM - max(1, int(share * _room()))
        pen.rectangle((left, top, max(left, right), HEIGHT - _BOTTOM), fill=_BAR)


def _axis(pen: ImageDraw, low: str = "", high: str = "") -> None:
    pen.line((_SIDE, HEIGHT - _BOTTOM, WIDTH - _SIDE, HEIGHT - _BOTTOM), fill=_GREY)
    pen.text((_SIDE, HEIGHT - _BOTTOM + 4), low, fill=_INK)
    pen.text((WIDTH - _SIDE, HEIGHT - _BOTTOM + 4), high, fill=_INK, anchor="ra")


def _label(pen: ImageDraw, at: tuple[int, int], text: str) -> None:
    pen.text(at, text, fill=_INK, anchor="ma")


def _empty(image: Image, pen: ImageDraw) -> bytes:
    _label(pen, (WIDTH // 2, HEIGHT // 2), "no values")
    return _png(image)


def _png(image: Image) -> bytes:
    from PIL import Image as Images

    out = io.BytesIO()
    small = image.quantize(32, dither=Images.Dither.NONE)
    small.save(out, "PNG", optimize=True)
    return out.getvalue()
