"""Finding a published picture again after platforms and people have changed it.

Belongs here: what a changed copy may look like (hashes to ask the index with), and comparing a copy
with a candidate by pixels. Does not: the index, rows.

A copy that was re-encoded or resized keeps its difference hash within a few bits. One that was cut
at the edges or mirrored does not: so the index is asked for the picture as it may have been before,
too, and whoever is near is looked at: each place where the copy may lie inside the candidate is
tried, and the correlation of grey levels in the best place is the likeness.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vixen_pipeline.pictures.files import Picture
from vixen_pipeline.pictures.quality import difference_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Grey = NDArray[np.float32]

SIDE = 32
"""Pixels per side of what is compared."""
CUTS = (0.0, 0.03, 0.06, 0.09, 0.12, 0.15)
"""Shares of a side that may have been cut away."""
PLACES = (0.0, 0.5, 1.0)
"""Where the rest may have lain, from one edge to the other."""
ENOUGH = 0.92
"""The least likeness of a copy. Re-encoded, shrunk, cut and mirrored copies reach 0.97 and more,
other pictures of the same person in the same clothes and place 0.86 at most
(tests/content_pieces/test_piece_finding.py)."""
_PADDED = (0.05, 0.1)


def query_hashes(image: Image) -> list[int]:
    """The hashes to ask the index with, likeliest first: as it is, mirrored, and uncut."""
    from PIL import ImageOps

    small = image.convert("RGB")
    small.thumbnail((512, 512))
    hashes = [
        _hash(variant)
        for side in (small, ImageOps.mirror(small))
        for variant in (side, *_uncut(side))
    ]
    return list(dict.fromkeys(hashes))


def likeness(copy: Image, original: bytes) -> float:
    """How surely `copy` shows `original` (an image file), -1 to 1; see `ENOUGH`."""
    from PIL import Image as Images
    from PIL import ImageOps

    stored = Images.open(io.BytesIO(original))
    stored.draft("L", (256, 256))
    whole = stored.convert("L")
    whole.thumbnail((256, 256))
    grey = copy.convert("L")
    grey.thumbnail((256, 256))
    sides = [_levels(side, None) for side in (grey, ImageOps.mirror(grey))]
    return max(
        _correlation(side, _levels(whole, box)) for box in _boxes(whole.size) for side in sides
    )


def _uncut(image: Image) -> Iterator[Image]:
    """The picture as it may have been before its edges were cut: they are drawn out."""
    width, height = image.size
    for share in _PADDED:
        wide, high = width * share, height * share
        for across in PLACES:
            for down in PLACES:
                left, top = wide * across, high * down
                yield _drawn_out(image, (round(left), round(top)), (round(wide), round(high)))


def _drawn_out(image: Image, at: tuple[int, int], more: tuple[int, int]) -> Image:
    """`image` at `at` in a picture larger by `more`, its outermost pixels repeated around it."""
    import numpy as np
    from PIL import Image as Images

    sides = ((at[1], more[1] - at[1]), (at[0], more[0] - at[0]), (0, 0))
    return Images.fromarray(np.pad(np.asarray(image), sides, mode="edge"))


def _boxes(size: tuple[int, int]) -> Iterator[tuple[float, float, float, float]]:
    width, height = size
    for wide in CUTS:
        for high in CUTS:
            for across in PLACES if wide else PLACES[:1]:
                for down in PLACES if high else PLACES[:1]:
                    left, top = width * wide * across, height * high * down
                    yield left, top, left + width * (1 - wide), top + height * (1 - high)


def _levels(image: Image, box: tuple[float, float, float, float] | None) -> Grey:
    import numpy as np
    from PIL.Image import Resampling

    levels = np.asarray(image.resize((SIDE, SIDE), Resampling.BOX, box), dtype=np.float32)
    levels = levels - levels.mean()
    norm = float(np.sqrt(np.square(levels).sum()))
    return levels / norm if norm > 0 else levels


def _correlation(one: Grey, other: Grey) -> float:
    return float((one * other).sum())


def _hash(image: Image) -> int:
    return difference_hash(Picture(image, "", image.width, image.height, "", 0))
