"""A picture inside a larger plain one: a screenshot, a letterbox, a card with a border.

Belongs here: finding the picture in it. Does not: whose picture it is (fingerprints.py).

A line of pixels belongs to the frame when most of it has the colour of the edges; words and buttons
leave most of their lines plain. The longest run of other lines, downwards and then across, is the
picture.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_SIDE = 512
_NEAR = 12
"""Levels (of 255) within which a pixel has the colour of the frame."""
_FRAME = 0.5
"""Share of a line that has it, from which the line belongs to the frame."""
_PLAIN = 0.9
"""Share of an outermost line that has one colour where there is a frame."""
_LEAST = 0.2
"""Of either side: less than this is a word or a button, not the picture."""
_WHOLE = 0.98


def unframed(image: Image) -> Image | None:
    """The picture inside its plain frame; None when it has none, or nothing is inside."""
    import numpy as np

    small = image.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    pixels = np.asarray(small, dtype=np.int16)
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        colour = np.median(edge, axis=0)
        if _near(edge, colour).mean() < _PLAIN:
            continue
        box = _inside(_near(pixels, colour))
        if box is not None:
            across, down = image.width / small.width, image.height / small.height
            left, top, right, bottom = box
            return image.crop(
                (
                    round(left * across),
                    round(top * down),
                    round(right * across),
                    round(bottom * down),
                )
            )
    return None


def _near(pixels: NDArray[np.int16], colour: NDArray[np.float64]) -> NDArray[np.bool_]:
    import numpy as np

    return np.asarray((np.abs(pixels - colour) <= _NEAR).all(axis=-1))


def _inside(plain: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of what is not the frame, one pixel inwards: the edge itself is a
    mixture of both."""
    top, bottom = _longest(plain.mean(axis=1) < _FRAME)
    if bottom - top < _LEAST * plain.shape[0]:
        return None
    left, right = _longest(plain[top:bottom].mean(axis=0) < _FRAME)
    shares = (bottom - top) / plain.shape[0], (right - left) / plain.shape[1]
    if min(shares) < _LEAST or min(shares) > _WHOLE:
        return None
    return left + 1, top + 1, right - 1, bottom - 1


def _longest(inside: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and end of the longest run of True; (0, 0) without any."""
    best, begin = (0, 0), 0
    for at, here in enumerate([*inside.tolist(), False]):
        if not here:
            if at - begin > best[1] - best[0]:
                best = begin, at
            begin = at + 1
    return best
