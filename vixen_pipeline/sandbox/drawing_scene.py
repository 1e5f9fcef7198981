"""Where the person is: a soft background, painted small and enlarged, as a lens would blur it.

Belongs here: places. Does not: light on the person. Every place moves a lot with the seed, so
that two shots in one place are two pictures.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from vixen_pipeline.sandbox.drawing_look import Rgb, mix, shade

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

SIZE = 256


def paint_scene(place: str, rng: random.Random) -> Image:
    """The background, SIZE x SIZE, RGB."""
    from PIL import ImageDraw, ImageFilter, ImageOps

    image = _PLACES[place](rng).filter(ImageFilter.BoxBlur(rng.uniform(0.8, 2.2)))
    _bokeh(image, rng, place)
    _patches(ImageDraw.Draw(image, "RGBA"), rng)
    image = image.filter(ImageFilter.BoxBlur(1))
    return ImageOps.mirror(image) if rng.random() < 0.5 else image


def gradient(top: Rgb, bottom: Rgb) -> Image:
    """SIZE x SIZE from one colour to another."""
    from PIL import Image

    small = Image.new("RGB", (1, 2))
    small.putpixel((0, 0), top)
    small.putpixel((0, 1), bottom)
    return small.resize((SIZE, SIZE), Image.Resampling.BILINEAR)


@lru_cache(maxsize=1)
def spot() -> Image:
    """A soft round mask, 256 x 256: full in the middle, nothing at the rim."""
    from PIL import Image, ImageOps

    return ImageOps.invert(Image.radial_gradient("L")).point([_falloff(v) for v in range(256)])


def _falloff(value: int) -> int:
    inside = max(0.0, (value - 75) / 180)  # the gradient reaches the corners; a spot must not
    return round(255 * inside * inside * (3 - 2 * inside))


@lru_cache(maxsize=128)
def _table(strength: float) -> list[int]:
    return [round(value * strength) for value in range(256)]


def glow(
    image: Image, color: Rgb, box: tuple[float, float, float, float], strength: float,
    clip: Image | None = None,
) -> None:  # fmt: skip
    """A soft ellipse of light or shadow inside `box`; `clip` (L, size of the image) bounds it."""
    from PIL import Image as Pillow
    from PIL import ImageChops

    left, top, right, bottom = (round(edge) for edge in box)
    width, height = right - left, bottom - top
    if width < 2 or height < 2 or right <= 0 or bottom <= 0:
        return
    mask = spot().resize((width, height), Pillow.Resampling.NEAREST)  # smooth anyhow, and quick
    if strength < 1:
        mask = mask.point(_table(round(strength, 2)))
    if clip is not None:
        mask = ImageChops.multiply(mask, clip.crop((left, top, right, bottom)))
    image.paste(color, (left, top, right, bottom), mask)


def _bokeh(image: Image, rng: random.Random, place: str) -> None:
    lively = place in ("cafe", "street", "rooftop", "park", "gym")
    for _ in range(rng.randint(8, 14) if lively else rng.randint(2, 5)):
        radius = rng.uniform(6, 26)
        x, y = rng.uniform(0, SIZE), rng.uniform(0, SIZE * 0.75)
        base = image.getpixel((min(SIZE - 1, int(x)), min(SIZE - 1, int(y))))
        color = base if isinstance(base, tuple) else (200, 200, 200)
        warm: Rgb = (255, 232, 190) if lively else (250, 246, 240)
        light = mix((color[0], color[1], color[2]), warm, 0.75)
        glow(image, light, (x - radius, y - radius, x + radius, y + radius), rng.uniform(0.3, 0.7))


def _patches(draw: ImageDraw, rng: random.Random) -> None:
    """Big panes of light and shade: what tells two pictures of one place apart at first sight."""
    for _ in range(3):
        x, width = rng.uniform(-60, SIZE), rng.uniform(24, 90)
        lean = rng.uniform(-90, 90)
        light = rng.random() < 0.5
        fill = (255, 250, 236, rng.randint(18, 46)) if light else (12, 16, 34, rng.randint(18, 50))
        draw.polygon([(x, 0), (x + width, 0), (x + width + lean, SIZE), (x + lean, SIZE)], fill)


def _canvas(top: Rgb, bottom: Rgb) -> tuple[Image, ImageDraw]:
    from PIL import ImageDraw

    image = gradient(top, bottom)
    return image, ImageDraw.Draw(image)


def _wall(rng: random.Random) -> Image:
    base = rng.choice([(226, 220, 210), (214, 220, 226), (230, 214, 202), (206, 214, 204)])
    image, draw = _canvas(shade(base, 1.1), shade(base, 0.8))
    if rng.random() < 0.6:  # a window's light on the wall
        x, y, size = rng.uniform(0, 150), rng.uniform(0, 90), rng.uniform(30, 60)
        for column in range(2):
            for row in range(3):
                left, top = x + column * size * 1.1, y + row * size * 0.9
                draw.polygon(
                    [(left, top), (left + size, top - 12), (left + size, top + size * 0.75 - 12),
                     (left, top + size * 0.75)],
                    shade(base, 1.5),
                )  # fmt: skip
    return image


def _cafe(rng: random.Random) -> Image:
    image, draw = _canvas((92, 66, 48), (58, 40, 32))
    shelf = rng.uniform(70, 120)
    for row in range(2):
        y = shelf + row * 52
        draw.rectangle((0, y, SIZE, y + 5), (48, 32, 24))
        x = rng.uniform(0, 10)
        while x < SIZE:
            width, height = rng.uniform(6, 13), rng.uniform(14, 34)
            tone = rng.choice([(188, 140, 88), (206, 196, 176), (102, 128, 116), (150, 70, 52)])
            draw.rectangle((x, y - height, x + width, y), tone)
            x += width + rng.uniform(2, 12)
    for _ in range(3):
        x, y = rng.uniform(10, SIZE), rng.uniform(8, 56)
        glow(image, (255, 214, 138), (x - 34, y - 34, x + 34, y + 34), 0.9)
    return image


def _street(rng: random.Random) -> Image:
    image, draw = _canvas((186, 200, 218), (120, 120, 128))
    x = -10.0
    while x < SIZE:
        width, top = rng.uniform(28, 70), rng.uniform(0, 110)
        wall = rng.choice([(134, 110, 98), (150, 148, 150), (96, 104, 122), (176, 152, 126)])
        draw.rectangle((x, top, x + width, 206), wall)
        for left in range(int(x) + 5, int(x + width) - 7, 12):
            for y in range(int(top) + 8, 190, 17):
                lit = rng.random() < 0.4
                draw.rectangle((left, y, left + 6, y + 9),
                               (248, 218, 150) if lit else shade(wall, 0.6))  # fmt: skip
        x += width + rng.uniform(0, 6)
    draw.rectangle((0, 206, SIZE, SIZE), (92, 92, 98))
    return image


def _park(rng: random.Random) -> Image:
    image, draw = _canvas((176, 208, 226), (88, 132, 70))
    for _ in range(46):
        x, y, radius = rng.uniform(-10, 266), rng.uniform(-10, 150), rng.uniform(12, 40)
        tone = mix((46, 96, 48), (168, 196, 96), rng.random())
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), tone)
    for _ in range(rng.randint(2, 4)):
        x, width = rng.uniform(0, SIZE), rng.uniform(8, 20)
        draw.rectangle((x, 60, x + width, 205), mix((72, 52, 38), (120, 96, 72), rng.random()))
    draw.rectangle((0, 190, SIZE, SIZE), mix((84, 130, 62), (140, 160, 86), rng.random()))
    return image


def _room(rng: random.Random) -> Image:
    wall = rng.choice([(218, 206, 190), (196, 204, 200), (226, 212, 206), (176, 170, 164)])
    image, draw = _canvas(shade(wall, 1.1), wall)
    x = rng.uniform(10, 150)
    draw.rectangle((x, 20, x + 84, 130), (236, 242, 250))
    draw.rectangle((x + 40, 20, x + 44, 130), shade(wall, 0.7))
    draw.rectangle((x, 72, x + 84, 76), shade(wall, 0.7))
    sofa = rng.choice([(96, 116, 128), (166, 108, 82), (120, 128, 96), (198, 178, 150)])
    left = rng.uniform(-60, 60)
    draw.rounded_rectangle((left, 150, left + 210, 250), 18, sofa)
    draw.rounded_rectangle((left + 14, 176, left + 100, 250), 10, shade(sofa, 1.2))
    lamp = rng.uniform(150, 236)
    draw.rectangle((lamp, 70, lamp + 4, 200), (70, 60, 54))
    glow(image, (255, 228, 170), (lamp - 40, 26, lamp + 44, 110), 0.9)
    return image


def _beach(rng: random.Random) -> Image:
    image, draw = _canvas((132, 186, 228), (224, 236, 240))
    horizon = rng.uniform(96, 150)
    draw.rectangle((0, horizon, SIZE, SIZE), (62, 142, 170))
    for row in range(7):
        y = horizon + 6 + row * 8
        draw.line([(rng.uniform(-40, 60), y), (rng.uniform(120, 290), y + 2)], (150, 206, 216), 3)
    shore = horizon + rng.uniform(40, 64)
    draw.polygon([(0, shore), (SIZE, shore + rng.uniform(-24, 24)), (SIZE, SIZE), (0, SIZE)],
                 (226, 202, 158))  # fmt: skip
    x = rng.uniform(0, SIZE)
    glow(image, (255, 250, 226), (x - 60, -50, x + 60, 70), 0.9)
    return image


def _library(rng: random.Random) -> Image:
    image, draw = _canvas((70, 50, 36), (52, 36, 28))
    height = rng.uniform(44, 60)
    for row in range(6):
        y, x = row * height, rng.uniform(-8, 0)
        while x < SIZE:
            width, tall = rng.uniform(5, 13), rng.uniform(0.68, 0.92) * height
            tone = rng.choice([(140, 46, 42), (44, 78, 104), (54, 96, 70), (196, 164, 104),
                               (94, 62, 94), (202, 196, 180), (66, 62, 70)])  # fmt: skip
            draw.rectangle((x, y + height - tall - 4, x + width - 1, y + height - 5), tone)
            x += width if rng.random() < 0.92 else width + rng.uniform(8, 26)
        draw.rectangle((0, y + height - 5, SIZE, y + height), (98, 68, 44))
    return image


def _office(rng: random.Random) -> Image:
    image, draw = _canvas((206, 216, 224), (172, 180, 188))
    step = rng.uniform(46, 70)
    for index in range(6):
        x = index * step + rng.uniform(-4, 4)
        draw.rectangle(
            (x, 14, x + step - 8, 150), mix((226, 238, 250), (150, 184, 214), rng.random())
        )
    draw.rectangle((0, 182, SIZE, SIZE), rng.choice([(150, 118, 88), (96, 100, 108)]))
    for _ in range(2):
        x = rng.uniform(0, 200)
        draw.rounded_rectangle((x, 124, x + 66, 172), 4, (36, 40, 48))
        draw.rectangle((x + 4, 128, x + 62, 166), (94, 148, 190))
    return image


def _mountain(rng: random.Random) -> Image:
    image, draw = _canvas((150, 184, 220), (232, 224, 212))
    for layer in range(4):
        base = 92 + layer * 40
        tone = mix((150, 168, 196), (66, 90, 72), layer / 3)
        points = [(0.0, float(SIZE))]
        for step in range(9):
            points.append((step * 32.0, base + rng.uniform(-42, 22)))
        draw.polygon([*points, (float(SIZE), float(SIZE))], tone)
    return image


def _rooftop(rng: random.Random) -> Image:
    top = rng.choice([(96, 120, 176), (206, 140, 122), (70, 84, 128)])
    image, draw = _canvas(top, mix(top, (250, 206, 160), 0.8))
    x = -6.0
    while x < SIZE:
        width, y = rng.uniform(12, 36), rng.uniform(80, 160)
        wall = shade(top, rng.uniform(0.4, 0.7))
        draw.rectangle((x, y, x + width, 214), wall)
        for _ in range(6):
            left, low = x + rng.uniform(1, width - 4), rng.uniform(y + 3, 208)
            draw.rectangle((left, low, left + 3, low + 3), (250, 220, 150))
        x += width
    rail = rng.uniform(186, 204)
    draw.rectangle((0, rail, SIZE, rail + 5), (210, 210, 214))
    for left in range(0, SIZE, 26):
        draw.rectangle((left, rail, left + 3, SIZE), (186, 186, 192))
    return image


def _gym(rng: random.Random) -> Image:
    image, draw = _canvas((84, 90, 100), (54, 56, 62))
    for index in range(4):
        x = index * 70 + rng.uniform(-20, 20)
        draw.rectangle((x, 10, x + 48, 118), (132, 146, 160))
    for _ in range(5):
        x, y, radius = rng.uniform(0, SIZE), rng.uniform(150, 220), rng.uniform(12, 26)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), (30, 30, 34))
        draw.ellipse((x - 6, y - 6, x + 6, y + 6), rng.choice([(206, 60, 52), (226, 190, 60)]))
    return image


def _kitchen(rng: random.Random) -> Image:
    image, draw = _canvas((236, 232, 224), (210, 204, 196))
    cabinet = rng.choice([(102, 130, 122), (238, 234, 226), (70, 88, 112), (176, 134, 96)])
    for index in range(5):
        x = index * 56 + rng.uniform(-6, 6)
        draw.rectangle((x, 0, x + 52, 78), cabinet)
        draw.rectangle((x, 186, x + 52, SIZE), shade(cabinet, 0.9))
    draw.rectangle((0, 172, SIZE, 184), (112, 92, 78))
    for _ in range(5):
        x, tall = rng.uniform(0, SIZE), rng.uniform(20, 48)
        tone = rng.choice([(206, 96, 60), (90, 140, 80), (224, 190, 90), (120, 150, 176)])
        draw.rounded_rectangle((x, 172 - tall, x + 16, 172), 5, tone)
    return image


_PLACES: dict[str, Callable[[random.Random], Image]] = {
    "wall": _wall, "cafe": _cafe, "street": _street, "park": _park, "room": _room,
    "beach": _beach, "library": _library, "office": _office, "mountain": _mountain,
    "rooftop": _rooftop, "gym": _gym, "kitchen": _kitchen,
}  # fmt: skip
