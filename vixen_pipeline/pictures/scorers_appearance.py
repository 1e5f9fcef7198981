"""Similarity of appearance, with nothing but NumPy. Belongs here: one IdentityScorer.

**Not biometric.** It compares the colours and their layout of the head (hair, skin, brows, what
surrounds the face) between two pictures: enough to reject another person than the one asked for
when they differ in hair or skin, and to notice when the head is missing; two people who share both
look the same to it. Where faces matter, use the extra `faces` (VIXEN_IDENTITY_SCORER=dlib).

How: a picture is shrunk to `SIDE` pixels on its short side; every plausible head window (several
sizes and places near the middle line) is described by the mean colour of the cells of a grid,
brightness counting less than hue so that light may change. The reference is a face close-up, so
its window is known; the score of another picture is that of its best window. Mirrored windows count
too: a head that turns the other way is the same head.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from vixen_pipeline.pictures.files import Picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vixen_pipeline.pictures.scorers import Descriptor

SIDE = 128
GRID = 8
HEADS = (0.50, 0.44, 0.38, 0.33, 0.28, 0.24, 0.21, 0.18, 0.155, 0.135, 0.115)
"""Head heights looked for, as shares of the short side; the first is a face close-up's."""
SIDEWAYS = 0.14
"""How far from the middle line a head may be, as a share of the picture."""
STEP_Y, STEP_X = 0.125, 0.2
"""How far apart windows are, as a share of the head."""
LUMA_WEIGHT = 0.5
ELLIPSE = 1.0
KEPT_CELLS = 0.85
"""The share of cells that are compared, best first: an open mouth or a hand in front is allowed."""
SPREAD = 60.0
"""The mean colour difference (0..255) at which the score has fallen to 1/e."""


class AppearanceScorer:
    """Colour layout of the head, 0..1; see the module's text for what it is not."""

    name = "appearance"

    def describe(self, picture: Picture) -> Descriptor | None:
        """All windows of the picture: an array of windows x cells x 3. Never None."""
        import numpy as np
        from PIL.Image import Resampling

        size = _size(picture.image.width, picture.image.height)
        small = picture.image.resize(size, Resampling.BOX, reducing_gap=2.0)
        pixels = np.asarray(small.convert("YCbCr"), dtype=np.float32)
        pixels[..., 0] *= LUMA_WEIGHT
        summed = np.zeros((size[1] + 1, size[0] + 1, 3), np.float32)
        summed[1:, 1:] = pixels.cumsum(axis=0).cumsum(axis=1)
        rows, columns = _edges(size)
        top, bottom = rows[:, :-1, None], rows[:, 1:, None]
        left, right = columns[:, None, :-1], columns[:, None, 1:]
        total = (
            summed[bottom, right] - summed[top, right] - summed[bottom, left] + summed[top, left]
        )
        area = ((bottom - top) * (right - left))[..., None]
        means = (total / area).reshape(len(rows), GRID * GRID, 3)
        return means.astype(np.float32)

    def similarity(self, one: Descriptor, other: Descriptor) -> float:
        """`one` is the reference, a face close-up: its first window is the head."""
        import numpy as np

        head = one[0]
        mirrored = head.reshape(GRID, GRID, 3)[:, ::-1].reshape(GRID * GRID, 3)
        least = min(_distance(head, other), _distance(mirrored, other))
        return float(np.exp(-least / SPREAD))


def _distance(head: Descriptor, windows: Descriptor) -> float:
    """The mean colour difference of the best-fitting window, over its best cells."""
    return float(_distances(head, windows).min())


def head_box(
    reference: Descriptor, picture: Descriptor, width: int, height: int
) -> tuple[float, float, float, float]:
    """Where the head of the reference is in the picture: left, top, right, bottom as shares.

    `width` and `height` are the picture's, in pixels.
    Always the best-fitting window, whoever is shown: a place to keep when cropping, no judgement.
    """
    best = int(_distances(reference[0], picture).argmin())
    size = _size(width, height)
    rows, columns = _edges(size)
    top, bottom = int(rows[best, 0]), int(rows[best, -1])
    left, right = int(columns[best, 0]), int(columns[best, -1])
    return left / size[0], top / size[1], right / size[0], bottom / size[1]


def _distances(head: Descriptor, windows: Descriptor) -> Descriptor:
    """The same for each window."""
    import numpy as np

    differences = np.sqrt(np.square(windows - head).sum(axis=2))
    inside = _inside()
    windows, head = windows[:, inside], head[inside]
    kept = int(len(inside) * KEPT_CELLS)
    best = np.partition(differences, kept - 1, axis=1)[:, :kept]
    return best.mean(axis=1)


def _size(width: int, height: int) -> tuple[int, int]:
    """The picture shrunk to `SIDE` on its short side, in its own shape (at most 1 to 3)."""
    short = min(width, height)
    return min(round(SIDE * width / short), 3 * SIDE), min(round(SIDE * height / short), 3 * SIDE)


@cache
def _edges(size: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The cell edges in pixels of every window: (windows x GRID+1) for rows and for columns.

    Heads are as high as shares of the short side say, and where shares of the picture say.
    """
    import numpy as np

    width, height = size
    steps = np.linspace(-0.5, 0.5, GRID + 1) * SIDE
    rows: list[NDArray[np.float64]] = []
    columns: list[NDArray[np.float64]] = []
    for head in HEADS:
        share = head * SIDE / height
        highest, lowest = max(share / 2 + 0.02, 0.12), 0.22 + head / 2
        sideways = np.arange(0, SIDEWAYS, head * SIDE / width * STEP_X)
        for middle_y in (0.47, *np.arange(highest, lowest, share * STEP_Y)):
            for shift in (*sideways, *-sideways[1:]):
                rows.append(middle_y * height + head * steps)
                columns.append((0.5 + shift) * width + head * 0.8 * steps)
    return _pixels(np.stack(rows), height), _pixels(np.stack(columns), width)


def _pixels(edges: NDArray[np.float64], last: int) -> NDArray[np.intp]:
    """Edges as whole pixels, each at least one apart, all inside."""
    import numpy as np

    whole = np.clip(np.round(edges), 0, last).astype(np.intp)
    for index in range(1, whole.shape[1]):
        whole[:, index] = np.maximum(whole[:, index], whole[:, index - 1] + 1)
    return np.minimum(whole, last)


@cache
def _inside() -> NDArray[np.intp]:
    """The cells of the grid within an ellipse: its corners show the background."""
    import numpy as np

    middle = (np.arange(GRID) + 0.5) / GRID * 2 - 1
    radius = np.hypot(*np.meshgrid(middle, middle)).reshape(-1)
    return np.flatnonzero(radius <= ELLIPSE)
