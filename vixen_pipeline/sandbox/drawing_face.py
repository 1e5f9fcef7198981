"""The face: eyes, brows, nose, mouth, by expression. Does not: the head's outline, hair, light."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vixen_pipeline.sandbox.drawing_frame import Frame, Point, smooth
from vixen_pipeline.sandbox.drawing_look import Look, Rgb, mix, shade

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

EYE = (0.155, -0.015)


@dataclass(frozen=True, slots=True)
class Mood:
    """How open the eyes are, how high the brows, and the mouth's width, curve and opening."""

    eyes: float
    brow: float
    width: float
    curve: float
    open: float
    gaze: float = 0.0


MOODS: dict[str, Mood] = {
    "neutral": Mood(1.0, 0.004, 0.108, 0.012, 0.0),
    "smile": Mood(0.92, 0.004, 0.122, 0.026, 0.0),
    "broad": Mood(0.82, 0.008, 0.142, 0.04, 0.03),
    "laugh": Mood(0.52, 0.012, 0.146, 0.044, 0.062),
    "thoughtful": Mood(0.94, 0.012, 0.1, 0.002, 0.0, 0.016),
    "confident": Mood(0.86, -0.006, 0.118, 0.018, 0.0),
    "surprised": Mood(1.3, 0.04, 0.07, 0.0, 0.06),
    "serene": Mood(0.0, 0.004, 0.112, 0.018, 0.0),
}


def draw_face(draw: ImageDraw, frame: Frame, look: Look, expression: str) -> None:
    """All features, on the colour layer."""
    mood = MOODS[expression]
    for side in (-1, 1):
        if side * frame.yaw < 0.9:  # the far eye of a profile is behind the nose
            _draw_eye(draw, frame, look, mood, side)
            _draw_brow(draw, frame, look, mood, side, expression)
    _draw_nose(draw, frame, look)
    _draw_mouth(draw, frame, look, mood)


def _lid(side: int, up: float, down: float) -> tuple[list[Point], list[Point]]:
    """Upper and lower edge of an eye, from the inner corner to the outer one."""
    u, v = EYE
    inner, outer = (side * (u - 0.072), v + 0.008), (side * (u + 0.078), v - 0.008)
    upper = [inner, (side * (u - 0.035), v - up * 0.8), (side * u, v - up),
             (side * (u + 0.04), v - up * 0.85), outer]  # fmt: skip
    lower = [inner, (side * (u - 0.03), v + down * 0.85), (side * (u + 0.01), v + down),
             (side * (u + 0.045), v + down * 0.7), outer]  # fmt: skip
    return upper, lower


def _draw_eye(draw: ImageDraw, frame: Frame, look: Look, mood: Mood, side: int) -> None:
    h = frame.h
    up, down = 0.042 * mood.eyes, 0.026 * min(1.0, mood.eyes)
    upper, lower = _lid(side, up, down)
    top = smooth(frame.faces(upper), closed=False)
    bottom = smooth(frame.faces(lower), closed=False)
    crease = [frame.face(u, v - 0.03) for u, v in upper]
    shadow = mix(shade(look.skin, 0.78), look.hair, 0.0 if look.man else 0.16)
    draw.polygon([*smooth(crease, closed=False), *reversed(top)], shadow)
    lash: Rgb = mix(shade(look.hair, 0.4), (24, 18, 18), 0.7)
    if mood.eyes > 0.05:
        draw.polygon([*top, *reversed(bottom)], (246, 243, 240))
        _draw_iris(draw, frame, look, mood, side)
        cover = [frame.face(u, v + 0.028) for u, v in lower]
        draw.polygon([*bottom, *reversed(smooth(cover, closed=False))], shade(look.skin, 0.97))
        lid = [frame.face(u, v - 0.022) for u, v in upper]
        draw.polygon([*smooth(lid, closed=False), *reversed(top)], shadow)
        draw.line(bottom, shade(look.skin, 0.7), max(1, round(h * 0.005)))
    draw.line(top, lash, max(1, round(h * (0.011 if look.man else 0.017))), joint="curve")
    if not look.man:
        wing = [frame.face(side * (EYE[0] + 0.06), EYE[1] - up * 0.55 - 0.004),
                frame.face(side * (EYE[0] + 0.108), EYE[1] - 0.03)]  # fmt: skip
        draw.line(wing, lash, max(1, round(h * 0.012)))


def _draw_iris(draw: ImageDraw, frame: Frame, look: Look, mood: Mood, side: int) -> None:
    h = frame.h
    x, y = frame.face(
        side * EYE[0] + mood.gaze + 0.006 * frame.yaw, EYE[1] - 0.006 - mood.gaze * 0.4
    )
    for radius, color in (
        (0.038, shade(look.eyes, 0.5)),
        (0.033, look.eyes),
        (0.024, shade(look.eyes, 1.3)),
        (0.016, (18, 14, 16)),
    ):
        size = radius * h
        draw.ellipse((x - size * 0.96, y - size, x + size * 0.96, y + size), color)


def _draw_brow(
    draw: ImageDraw, frame: Frame, look: Look, mood: Mood, side: int, expression: str
) -> None:
    lift = mood.brow + (0.02 if expression == "confident" and side == 1 else 0.0)
    inner = 0.006 if expression == "thoughtful" else 0.0
    points = [(side * 0.075, -0.108 - lift - inner), (side * 0.15, -0.13 - lift),
              (side * 0.205, -0.119 - lift), (side * 0.245, -0.09 - lift)]  # fmt: skip
    color = mix(shade(look.hair, 0.6), (60, 44, 36), 0.3)
    curve = smooth(frame.faces(points), closed=False)
    thick = 0.03 if look.man else 0.021
    draw.line(curve[: len(curve) * 2 // 3], color, max(1, round(frame.h * thick)), joint="curve")
    draw.line(curve, color, max(1, round(frame.h * thick * 0.6)), joint="curve")


def _draw_nose(draw: ImageDraw, frame: Frame, look: Look) -> None:
    side = 1 if frame.yaw >= 0 else -1
    dark = shade(look.skin, 0.76)
    width = max(1, round(frame.h * 0.008))
    lean = 0.03 * frame.yaw
    bridge = [(side * 0.03, -0.07), (side * 0.028 + lean, 0.03), (side * 0.046 + lean, 0.118)]
    draw.line(smooth(frame.faces(bridge), closed=False), shade(look.skin, 0.9), width)
    base = [(-0.052 + lean, 0.118), (-0.03 + lean, 0.143), (lean, 0.15), (0.03 + lean, 0.143),
            (0.052 + lean, 0.118)]  # fmt: skip
    draw.line(smooth(frame.faces(base), closed=False), dark, width + 1, joint="curve")
    for nostril in (-0.026, 0.026):
        x, y = frame.face(nostril + lean, 0.14)
        size = frame.h * 0.009
        draw.ellipse((x - size * 1.3, y - size * 0.8, x + size * 1.3, y + size * 0.8),
                     shade(look.skin, 0.55))  # fmt: skip


def _draw_mouth(draw: ImageDraw, frame: Frame, look: Look, mood: Mood) -> None:
    lips = mix(shade(look.skin, 0.84), (190, 62, 78), 0.2 if look.man else 0.5)
    w, lift, gap, v = mood.width, mood.curve, mood.open, 0.272
    corners = v - lift
    upper_in = [(-w, corners), (-w * 0.5, v - gap * 0.15 + lift * 0.3), (0.0, v + lift * 0.45),
                (w * 0.5, v - gap * 0.15 + lift * 0.3), (w, corners)]  # fmt: skip
    lower_in = [(-w, corners), (-w * 0.5, v + gap * 0.8 + lift * 0.3), (0.0, v + gap + lift * 0.5),
                (w * 0.5, v + gap * 0.8 + lift * 0.3), (w, corners)]  # fmt: skip
    peak = [(w, corners), (w * 0.45, v - 0.026), (w * 0.16, v - 0.034), (0.0, v - 0.026),
            (-w * 0.16, v - 0.034), (-w * 0.45, v - 0.026), (-w, corners)]  # fmt: skip
    full = 0.04 if not look.man else 0.03
    bottom = [(w, corners), (w * 0.5, v + gap + full * 0.8 + lift * 0.4),
              (0.0, v + gap + full + lift * 0.5), (-w * 0.5, v + gap + full * 0.8 + lift * 0.4),
              (-w, corners)]  # fmt: skip
    top_edge = smooth(frame.faces(upper_in), closed=False)
    low_edge = smooth(frame.faces(lower_in), closed=False)
    draw.polygon([*low_edge, *smooth(frame.faces(bottom), closed=False)], shade(lips, 1.08))
    if gap > 0:
        draw.polygon([*top_edge, *reversed(low_edge)], (92, 30, 38))
        teeth = [(u * 0.9, y + (gap * 0.62 if gap < 0.05 else gap * 0.4)) for u, y in upper_in]
        if mood.width > 0.1:
            edge = smooth(frame.faces(teeth), closed=False)
            draw.polygon([*top_edge, *reversed(edge)], (244, 240, 234))
    draw.polygon([*top_edge, *smooth(frame.faces(peak), closed=False)], shade(lips, 0.9))
    if gap == 0:
        draw.line(top_edge, shade(lips, 0.6), max(1, round(frame.h * 0.007)))


def draw_face_details(
    draw: ImageDraw, frame: Frame, look: Look, expression: str, rng: random.Random
) -> None:
    """What must be sharp: catch lights, lashes, freckles, glasses, over the finished picture."""
    h = frame.h
    mood = MOODS[expression]
    hair = max(1, round(h * 0.004))
    lash: Rgb = mix(shade(look.hair, 0.4), (20, 16, 16), 0.7)
    for side in (-1, 1):
        if side * frame.yaw >= 0.9:
            continue
        if mood.eyes > 0.3:
            x, y = frame.face(side * EYE[0] + mood.gaze, EYE[1] - 0.02)
            size = max(1.0, h * 0.008)
            draw.ellipse((x - size, y - size, x + size, y + size), (255, 255, 255))
        for index in range(9 if not look.man else 4):
            share = index / 8
            u = EYE[0] - 0.05 + 0.125 * share
            v = EYE[1] - 0.04 * mood.eyes * (1 - (2 * share - 1) ** 2 * 0.8)
            tip = (side * (u + 0.012 + 0.012 * share), v - 0.024)
            draw.line([frame.face(side * u, v), frame.face(*tip)], lash, hair)
    if look.freckles:
        tone = shade(look.skin, 0.72)
        for _ in range(34):
            x, y = frame.face(rng.gauss(0, 0.13), rng.gauss(0.08, 0.035))
            size = max(0.8, h * rng.uniform(0.003, 0.006))
            draw.ellipse((x - size, y - size, x + size, y + size), tone)
    if look.glasses:
        for side in (-1, 1):
            x, y = frame.face(side * EYE[0], EYE[1] + 0.01)
            box = (x - h * 0.115, y - h * 0.085, x + h * 0.115, y + h * 0.09)
            draw.rounded_rectangle(box, h * 0.06, None, (44, 38, 40), max(2, round(h * 0.012)))
        bridge = frame.faces([(-0.04, -0.02), (0.04, -0.02)])
        draw.line(bridge, (44, 38, 40), max(2, round(h * 0.012)))
