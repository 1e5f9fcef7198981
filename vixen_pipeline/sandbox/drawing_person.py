"""Body, head and hair of a person as flat shapes. Does not: the face (drawing_face.py), light.

Shapes go to a colour layer and, where asked, to masks: `figure` (whole person), `skin` (the bare
face) and `cloth`, which later steps use to shade and to weave.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vixen_pipeline.sandbox.drawing_frame import Frame, Point, mirrored, smooth
from vixen_pipeline.sandbox.drawing_look import Look, Rgb, mix, shade

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_HEAD = [(0.0, -0.5), (0.2, -0.45), (0.32, -0.3), (0.355, -0.08), (0.335, 0.12), (0.285, 0.28),
         (0.19, 0.4), (0.095, 0.475), (0.0, 0.5)]  # fmt: skip
_HEAD_MAN = [(0.0, -0.5), (0.21, -0.45), (0.33, -0.3), (0.36, -0.08), (0.35, 0.12), (0.31, 0.29),
             (0.225, 0.42), (0.12, 0.485), (0.0, 0.5)]  # fmt: skip


@dataclass(slots=True)
class Layers:
    """The colour layer and its masks, all of one size."""

    color: Image
    figure: Image
    skin: Image
    cloth: Image

    @classmethod
    def of(cls, size: tuple[int, int], ground: Rgb) -> Layers:
        from PIL import Image

        masks = [Image.new("L", size, 0) for _ in range(3)]
        return cls(Image.new("RGB", size, ground), *masks)


@dataclass(slots=True)
class Pens:
    """Something to draw with on each layer."""

    color: ImageDraw
    figure: ImageDraw
    skin: ImageDraw
    cloth: ImageDraw

    @classmethod
    def on(cls, layers: Layers) -> Pens:
        from PIL import ImageDraw

        sheets = (layers.color, layers.figure, layers.skin, layers.cloth)
        return cls(*(ImageDraw.Draw(sheet) for sheet in sheets))

    def solid(self, points: Sequence[Point], color: Rgb, *, cloth: bool = False) -> None:
        """A polygon of the person, also in the figure's mask."""
        self.color.polygon(points, color)
        self.figure.polygon(points, 255)
        self.cloth.polygon(points, 255 if cloth else 0)

    def disc(self, center: Point, radius: float, color: Rgb) -> None:
        x, y = center
        box = (x - radius, y - radius, x + radius, y + radius)
        self.color.ellipse(box, color)
        self.figure.ellipse(box, 255)


def head_outline(frame: Frame, look: Look) -> list[Point]:
    """The outline of the head; the jaw goes where the face turns."""
    turned = [(u + 0.045 * frame.yaw * max(0.0, v + 0.1), v)
              for u, v in mirrored(_HEAD_MAN if look.man else _HEAD)]  # fmt: skip
    return smooth(frame.ats(turned))


def draw_body(pens: Pens, frame: Frame, look: Look, rng: random.Random) -> None:
    """Legs, arms, torso, neck and collar, from back to front."""
    wide = 1.08 if look.man else 0.88
    cloth, dark = look.cloth, shade(look.cloth, 0.72)
    if frame.h < 300:
        _draw_limbs(pens, frame, look, wide, rng)
    torso = mirrored([
        (0.0, 0.62), (0.3, 0.68), (wide * 0.8, 0.84), (wide, 1.04), (wide * 1.02, 1.6),
        (wide * 0.74, 2.3), (wide * 0.8, 3.1), (0.0, 3.15),
    ])  # fmt: skip
    pens.solid(smooth(frame.bodies(torso)), cloth, cloth=True)
    neck = 0.2 if look.man else 0.165
    skin = shade(look.skin, 0.9)
    throat = [frame.at(-neck, 0.25), frame.at(neck, 0.25), *frame.bodies(
        [(neck * 0.98, 0.68), (neck * 1.7, 0.8), (0.0, 0.94), (-neck * 1.7, 0.8),
         (-neck * 0.98, 0.68)])]  # fmt: skip
    pens.solid(throat, skin)
    shadow = [frame.at(-neck, 0.3), frame.at(neck, 0.3), frame.body(neck, 0.6),
              frame.body(0, 0.7), frame.body(-neck, 0.6)]  # fmt: skip
    pens.color.polygon(shadow, shade(look.skin, 0.74))
    _draw_collar(pens, frame, neck, dark, rng)


def _draw_collar(pens: Pens, frame: Frame, neck: float, dark: Rgb, rng: random.Random) -> None:
    width = max(2, round(frame.h * 0.035))
    edge = frame.bodies([(-neck * 1.7, 0.79), (-neck * 0.9, 0.9), (0, 0.955), (neck * 0.9, 0.9),
                         (neck * 1.7, 0.79)])  # fmt: skip
    pens.color.line(smooth(edge, closed=False), dark, width, joint="curve")
    if rng.random() < 0.5:  # an open jacket or shirt: two lapels
        for side in (-1, 1):
            lapel = frame.bodies([(side * neck * 1.6, 0.74), (side * 0.5, 1.0), (side * 0.34, 1.5),
                                  (side * 0.03, 1.12)])  # fmt: skip
            pens.color.polygon(lapel, dark)
    else:
        pens.color.line(frame.bodies([(0, 0.96), (0.01, 2.9)]), dark, max(1, width // 4))


def _draw_limbs(pens: Pens, frame: Frame, look: Look, wide: float, rng: random.Random) -> None:
    trousers = mix(shade(look.cloth, 0.5), (54, 60, 78), 0.7)
    for side in (-1, 1):
        sway = rng.uniform(-0.05, 0.2) * side
        leg = frame.bodies([(side * 0.03, 2.9), (side * wide * 0.8, 2.9),
                            (side * 0.5 + sway, 6.2), (side * 0.2 + sway, 6.2)])  # fmt: skip
        pens.solid(leg, trousers, cloth=True)
        x, y = frame.body(side * 0.4 + sway, 6.22)
        foot = frame.h * 0.3
        pens.color.ellipse((x - foot, y - foot * 0.4, x + foot, y + foot * 0.45), (52, 44, 44))
        pens.figure.ellipse((x - foot, y - foot * 0.4, x + foot, y + foot * 0.45), 255)
        bend = rng.uniform(0.0, 0.3)
        arm = frame.bodies([(side * (wide - 0.12), 1.08), (side * (wide + 0.16 + bend), 2.1),
                            (side * (wide - 0.02), 3.05)])  # fmt: skip
        width = max(2, round(frame.h * 0.3))
        tone = shade(look.cloth, 0.86)
        pens.color.line(arm, tone, width, joint="curve")
        pens.figure.line(arm, 255, width, joint="curve")
        pens.cloth.line(arm, 255, width, joint="curve")
        pens.disc(arm[2], frame.h * 0.13, shade(look.skin, 0.94))


def draw_back_hair(pens: Pens, frame: Frame, look: Look, rng: random.Random) -> None:
    """What hangs behind neck and shoulders."""
    hair = shade(look.hair, 0.72)
    shape = {"long": 1.2, "braid": 0.42, "bob": 0.55, "ponytail": 0.25, "bun": 0.25}.get(look.style)
    if look.style in ("curly", "afro"):
        reach = 0.52 if look.style == "curly" else 0.2
        base = [(0.0, -0.6), (0.3, -0.52), (0.45, -0.3), (0.48, 0.0), (0.47, reach * 0.6),
                (0.36, reach), (0.12, reach * 0.9), (0.0, reach * 0.8)]  # fmt: skip
        pens.solid(smooth(frame.ats(mirrored(base))), hair)
        for u, v in smooth(mirrored(base), steps=3):
            radius = rng.uniform(0.07, 0.12) * (1.5 if look.style == "afro" else 1)
            if v < reach * 0.95:
                pens.disc(frame.at(u, v), radius * frame.h, shade(hair, rng.uniform(0.9, 1.12)))
    elif shape is not None:
        wave = rng.uniform(0.02, 0.05)
        right = [(0.0, -0.585), (0.25, -0.54), (0.4, -0.36), (0.44, -0.05),
                 (0.45 + wave, shape * 0.4), (0.49 - wave, shape * 0.75), (0.4, shape),
                 (0.15, shape * 1.02), (0.0, shape * 0.9)]  # fmt: skip
        pens.solid(smooth(frame.ats(mirrored(right))), hair)
    if look.style == "bun":
        pens.disc(frame.at(0.06, -0.64), 0.2 * frame.h, look.hair)
    if look.style == "ponytail":
        side = -1 if frame.yaw > 0 else 1
        tail = [(side * 0.2, -0.5), (side * 0.52, -0.4), (side * 0.6, 0.2), (side * 0.5, 0.95),
                (side * 0.4, 0.3), (side * 0.36, -0.2)]  # fmt: skip
        pens.solid(smooth(frame.ats(tail)), hair)


def draw_head(pens: Pens, frame: Frame, look: Look) -> None:
    """Ears and the skin of the head."""
    for side in (-1, 1):
        if side * frame.yaw < 0.45:
            x, y = frame.at(side * (0.345 - 0.03 * frame.yaw * side), 0.03)
            size = frame.h * 0.07
            pens.color.ellipse((x - size * 0.7, y - size * 1.3, x + size * 0.7, y + size * 1.3),
                               shade(look.skin, 0.86))  # fmt: skip
    outline = head_outline(frame, look)
    pens.solid(outline, look.skin)
    pens.skin.polygon(outline, 255)
    if look.beard:
        rim = [(u, v) for u, v in _HEAD_MAN if v > 0.1]
        line = [(0.335, 0.04), *rim, *((-u, v) for u, v in reversed(rim)), (-0.335, 0.04),
                (-0.25, 0.16), (-0.13, 0.215), (0.0, 0.19), (0.13, 0.215),
                (0.25, 0.16)]  # fmt: skip
        turned = [(u + 0.045 * frame.yaw * max(0.0, v + 0.1), v) for u, v in line]
        pens.color.polygon(smooth(frame.ats(turned)), mix(look.skin, look.hair, 0.62))


def draw_front_hair(pens: Pens, frame: Frame, look: Look, rng: random.Random) -> float:
    """What lies over the forehead; returns u of the parting."""
    part = rng.choice([-0.1, 0.1]) if look.style != "afro" else 0.0
    if look.style == "bald":
        return part
    low = {"short": -0.12, "afro": -0.02, "curly": 0.1}.get(look.style, 0.06)
    turn = 0.05 * frame.yaw
    outer = [(0.395, low), (0.42, -0.2), (0.345, -0.44), (0.17, -0.57)]
    if look.man and look.style == "short":
        inner = [(-0.325, -0.1), (-0.28, -0.25), (-0.12, -0.34), (0.1, -0.345), (0.27, -0.27),
                 (0.325, -0.1)]  # fmt: skip
    else:
        inner = [(-0.34, low), (-0.315, -0.16), (part - 0.16, -0.275), (part, -0.375),
                 (part + 0.16, -0.275), (0.315, -0.16), (0.34, low)]  # fmt: skip
    ring = [*outer, (0.0, -0.595), *((-u, v) for u, v in reversed(outer)),
            *((u + turn, v) for u, v in inner)]  # fmt: skip
    points = smooth(frame.ats(ring), steps=4)
    pens.solid(points, look.hair)
    pens.skin.polygon(points, 0)
    if look.style in ("long", "braid", "bob"):
        _draw_locks(pens, frame, look)
    return part


def _draw_locks(pens: Pens, frame: Frame, look: Look) -> None:
    """Hair falling beside the face, in front of the shoulders."""
    length = {"long": 1.1, "bob": 0.5, "braid": 0.25}[look.style]
    wave = 0.035 if look.style == "long" else 0.0
    for side in (-1, 1):
        lock = [(side * 0.36, -0.35), (side * 0.435, 0.0), (side * (0.47 + wave), length * 0.35),
                (side * (0.45 - wave), length * 0.65), (side * 0.45, length),
                (side * 0.36, length * 0.97), (side * (0.31 - wave), length * 0.65),
                (side * (0.335 + wave), length * 0.35), (side * 0.32, 0.08),
                (side * 0.3, -0.2)]  # fmt: skip
        points = smooth(frame.ats(lock))
        pens.solid(points, look.hair)
        pens.skin.polygon(points, 0)
    if look.style == "braid":
        for index in range(9):
            u = 0.4 + 0.015 * (-1) ** index
            color = look.hair if index % 2 else shade(look.hair, 0.82)
            pens.disc(frame.at(u, 0.2 + index * 0.11), 0.085 * frame.h, color)


def draw_strands(
    draw: ImageDraw, frame: Frame, look: Look, part: float, rng: random.Random
) -> None:
    """Single hairs, drawn sharp over the finished picture."""
    if look.style == "bald":
        return
    tones = [shade(look.hair, factor) for factor in (0.66, 0.8, 1.25, 1.5)]
    width = max(1, round(frame.h * 0.0035))
    count = 130 if frame.h > 250 else 60
    if look.style in ("curly", "afro"):
        _draw_curls(draw, frame, tones, width, count, rng)
        return
    long = {"long": 1.1, "bob": 0.5, "braid": 0.3}.get(look.style, 0.02)
    for _ in range(count):
        side = rng.choice([-1, 1])
        spread = rng.random()
        end = rng.uniform(0.4, 1.0) * long if long > 0.1 else rng.uniform(-0.16, -0.12)
        bow = 0.33 + 0.09 * spread
        turn = 0.05 * frame.yaw * (1 - spread)
        path = [
            (part + side * rng.uniform(-0.012, 0.02) + turn, -0.575 + 0.19 * (1 - spread)),
            (side * (0.18 + 0.08 * spread) + turn, -0.5 + 0.2 * (1 - spread)),
            (side * bow + turn, -0.27 + 0.05 * (1 - spread)),
            (side * bow, min(end, -0.06)),
        ]
        if end > 0.05:
            path.append((side * (bow + 0.045), end * 0.45))
            path.append((side * (0.335 + 0.11 * spread), end))
        points = smooth(frame.ats(path), closed=False, steps=2)
        draw.line(points, rng.choice(tones), width)


def _draw_curls(
    draw: ImageDraw, frame: Frame, tones: list[Rgb], width: int, count: int, rng: random.Random
) -> None:
    for _ in range(count):
        angle = rng.uniform(math.pi * 0.92, math.pi * 2.08)
        reach = rng.uniform(0.36, 0.5)
        x, y = frame.at(reach * math.cos(angle), reach * 1.15 * math.sin(angle) - 0.05)
        radius = frame.h * rng.uniform(0.025, 0.05)
        start = rng.uniform(0, 360)
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.arc(box, start, start + 240, rng.choice(tones), width)
