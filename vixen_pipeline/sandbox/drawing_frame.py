"""Geometry of one head: from head coordinates to pixels, and smooth outlines through points.

Head coordinates: (0, 0) is the middle of the head, one unit is its height; u to the right, v down
(-0.5 the crown, 0.5 the chin).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """A head of `h` pixels at (`x`, `y`), turned by `yaw`, nodding by `pitch`, leaning `tilt`."""

    x: float
    y: float
    h: float
    yaw: float
    pitch: float
    tilt: float

    def at(self, u: float, v: float) -> Point:
        """Pixel of a point that leans with the head."""
        lean, drop = math.sin(self.tilt), math.cos(self.tilt)
        v0 = v - 0.5  # the head leans about its chin
        x = self.x + (u * drop - v0 * lean) * self.h
        return x, self.y + (u * lean + v0 * drop + 0.5) * self.h

    def body(self, u: float, v: float) -> Point:
        """Pixel of a point that does not lean."""
        return self.x + u * self.h, self.y + v * self.h

    def face(self, u: float, v: float) -> Point:
        """Pixel of a point on the front of the head: it moves as the head turns and nods."""
        angle = math.asin(max(-1.0, min(1.0, u / 0.42))) + self.yaw * 0.62
        return self.at(0.42 * math.sin(angle), v + 0.055 * self.pitch * (1 - 2 * abs(v)))

    def faces(self, points: Sequence[Point]) -> list[Point]:
        return [self.face(u, v) for u, v in points]

    def ats(self, points: Sequence[Point]) -> list[Point]:
        return [self.at(u, v) for u, v in points]

    def bodies(self, points: Sequence[Point]) -> list[Point]:
        return [self.body(u, v) for u, v in points]


def smooth(points: Sequence[Point], *, closed: bool = True, steps: int = 4) -> list[Point]:
    """A curve (Catmull-Rom) through the points."""
    count = len(points)
    weights = _weights(steps)
    found: list[Point] = []
    for index in range(count if closed else count - 1):
        if closed:
            p0, p1 = points[index - 1], points[index]
            p2, p3 = points[(index + 1) % count], points[(index + 2) % count]
        else:
            p0, p1 = points[max(0, index - 1)], points[index]
            p2, p3 = points[index + 1], points[min(count - 1, index + 2)]
        for a, b, c, d in weights:
            x = a * p0[0] + b * p1[0] + c * p2[0] + d * p3[0]
            found.append((x, a * p0[1] + b * p1[1] + c * p2[1] + d * p3[1]))
    if not closed:
        found.append(points[-1])
    return found


@lru_cache(maxsize=8)
def _weights(steps: int) -> list[tuple[float, float, float, float]]:
    found: list[tuple[float, float, float, float]] = []
    for step in range(steps):
        t = step / steps
        t2, t3 = t * t, t * t * t
        a, b = -0.5 * t3 + t2 - 0.5 * t, 1.5 * t3 - 2.5 * t2 + 1
        found.append((a, b, -1.5 * t3 + 2 * t2 + 0.5 * t, 0.5 * t3 - 0.5 * t2))
    return found


def mirrored(right: Sequence[Point]) -> list[Point]:
    """A closed outline from its right half, top to bottom."""
    return [*right, *((-u, v) for u, v in reversed(right) if u > 0.001)]
