"""One picture of one person, as bytes. Belongs here: the order in which a picture is made.

Does not: who (drawing_look.py), how shown (drawing_shot.py), shapes (drawing_person.py,
drawing_face.py, drawing_scene.py). Made to be quick rather than real: big soft areas are painted
small and enlarged, only what the eye looks at is drawn at full size.
"""

from __future__ import annotations

import hashlib
import io
import random
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from vixen_pipeline.sandbox.drawing_face import draw_face, draw_face_details
from vixen_pipeline.sandbox.drawing_frame import Frame
from vixen_pipeline.sandbox.drawing_look import Look, clothing, mix, shade
from vixen_pipeline.sandbox.drawing_person import (
    Layers,
    Pens,
    draw_back_hair,
    draw_body,
    draw_front_hair,
    draw_head,
    draw_strands,
)
from vixen_pipeline.sandbox.drawing_scene import glow, paint_scene
from vixen_pipeline.sandbox.drawing_shot import Light, Shot, read_shot

if TYPE_CHECKING:
    from PIL.Image import Image

TEXTURE = 2048
_FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}


@dataclass(frozen=True, slots=True)
class Order:
    """One picture to be made: pixels, quality 0..100, format jpg | png | webp.

    `kind` is portrait, stranger, duplicate, blurry or nsfw; of these only blurry is painted
    differently. `mark` makes the bytes of equal pictures differ.
    """

    prompt: str
    seed: int
    width: int
    height: int
    look: Look
    format: str = "jpg"
    quality: int = 90
    kind: str = "portrait"
    mark: str = ""

    def again(self, mark: str) -> Order:
        """The same picture in other bytes."""
        return replace(self, kind="duplicate", mark=mark)


def draw(order: Order) -> bytes:
    """Paint and encode. The same order gives the same bytes."""
    image = paint(order)
    if order.kind == "blurry":
        from PIL import ImageFilter

        image = image.filter(ImageFilter.GaussianBlur(max(order.width, order.height) / 100))
    return encode(image, order)


def encode(image: Image, order: Order) -> bytes:
    """The image file; the mark goes into it as a comment."""
    buffer = io.BytesIO()
    comment = f"sandbox {order.mark}".encode()
    if order.format == "png":
        image.save(buffer, "PNG", compress_level=1)
    elif order.format == "webp":
        image.save(buffer, "WEBP", quality=order.quality, method=0)
    else:
        image.save(buffer, "JPEG", quality=order.quality, comment=comment)
    return buffer.getvalue()


def paint(order: Order) -> Image:
    """The finished picture, RGB, width x height."""
    digest = hashlib.sha256(f"{order.prompt}\x1f{order.seed}".encode()).digest()
    rng = random.Random(digest)
    shot = read_shot(order.prompt, rng)
    worn = clothing(order.prompt)
    look = order.look if worn is None else replace(order.look, cloth=worn)
    frame = _frame(order, shot)
    scene = paint_scene(shot.place, rng)
    ground = mix(shade(look.cloth, 0.8), (128, 128, 128), 0.5)
    layers = Layers.of((order.width, order.height), ground)
    part = _shapes(layers, frame, look, shot, rng)
    image = _light(layers, scene, frame, look, shot, rng)
    return _finish(image, layers, frame, look, shot, part, rng)


def _frame(order: Order, shot: Shot) -> Frame:
    side = min(order.width, order.height)
    center = (shot.x * order.width, shot.y * order.height)
    return Frame(*center, shot.head * side, shot.yaw, shot.pitch, shot.tilt)


def _shapes(layers: Layers, frame: Frame, look: Look, shot: Shot, rng: random.Random) -> float:
    pens = Pens.on(layers)
    draw_back_hair(pens, frame, look, rng)
    draw_body(pens, frame, look, rng)
    draw_head(pens, frame, look)
    draw_face(pens.color, frame, look, shot.expression)
    return draw_front_hair(pens, frame, look, rng)


def _light(
    layers: Layers, scene: Image, frame: Frame, look: Look, shot: Shot, rng: random.Random
) -> Image:
    """Put the person before the scene and light both, at half size."""
    from PIL import Image, ImageChops, ImageFilter

    light = shot.light
    color, figure, skin = (sheet.reduce(2) for sheet in (layers.color, layers.figure, layers.skin))
    scene = ImageChops.soft_light(scene, _field(scene.size, light, rng, 58))
    image = scene.resize(color.size, Image.Resampling.BILINEAR)
    image.paste(color, (0, 0), figure)
    half = Frame(frame.x / 2, frame.y / 2, frame.h / 2, frame.yaw, frame.pitch, frame.tilt)
    _model_face(image, half, look, light, skin)
    _model_body(image, half, look, light, figure)
    if light.rim > 0:
        shift = max(2, round(half.h * 0.02))
        rim = ImageChops.subtract(
            figure, ImageChops.offset(figure, -light.side * shift, shift // 2)
        )
        rim = rim.filter(ImageFilter.BoxBlur(1)).point(
            [round(v * light.rim * 0.6) for v in range(256)]
        )
        image.paste(mix(light.tint, (255, 255, 255), 0.4), (0, 0), rim)
    image = ImageChops.soft_light(image, _field(image.size, light, rng, 16))
    x, y = rng.randrange(0, 512), rng.randrange(0, 512)
    return ImageChops.add(image, _grain().crop((x, y, x + image.width, y + image.height)), 1, -128)


def _field(size: tuple[int, int], light: Light, rng: random.Random, amount: int) -> Image:
    """Uneven light over the picture: grey 128 changes nothing; the tint colours it a little."""
    from PIL import Image

    small = Image.new("RGB", (6, 6))
    middle = 128 + (light.exposure - 1) * 300
    for x in range(6):
        for y in range(6):
            level = middle + rng.uniform(-amount, amount) + light.side * (x - 2.5) * amount / 8
            parts = [level + (part - 215) * amount / 160 for part in light.tint]
            small.putpixel((x, y), tuple(max(0, min(255, round(part))) for part in parts))
    return small.resize((48, 48), Image.Resampling.BICUBIC).resize(size, Image.Resampling.BILINEAR)


def _model_face(image: Image, frame: Frame, look: Look, light: Light, skin: Image) -> None:
    """Round the face: a shaded side, a lit side, colour in the cheeks, a shadow under the hair."""
    h, side = frame.h, light.side
    shadow, bright = shade(look.skin, 0.6), shade(look.skin, 1.5)

    def at(u: float, v: float, wide: float, high: float) -> tuple[float, float, float, float]:
        left, top = frame.at(u, v)
        return left - wide * h, top - high * h, left + wide * h, top + high * h

    glow(image, shadow, at(-side * 0.42, 0.12, 0.34, 0.62), 0.55 * light.key, skin)
    glow(image, shadow, at(0, -0.5, 0.5, 0.26), 0.5, skin)
    glow(image, shadow, at(0, 0.54, 0.3, 0.12), 0.45, skin)
    glow(image, bright, at(side * 0.17, 0.1, 0.17, 0.16), 0.34 * light.key, skin)
    glow(image, bright, at(side * 0.06, -0.22, 0.24, 0.14), 0.3 * light.key, skin)
    for cheek in (-1, 1):
        left, top = frame.face(cheek * 0.2, 0.13)
        box = (left - 0.13 * h, top - 0.1 * h, left + 0.13 * h, top + 0.1 * h)
        glow(image, mix(look.skin, (220, 84, 88), 0.45), box, 0.42 if not look.man else 0.2, skin)
    left, top = frame.face(0.0, 0.09)
    glow(
        image, bright, (left - 0.03 * h, top - 0.08 * h, left + 0.03 * h, top + 0.05 * h), 0.5, skin
    )


def _model_body(image: Image, frame: Frame, look: Look, light: Light, figure: Image) -> None:
    """Shade the far shoulder and side, light the near one, and the crown of the hair."""
    h, side = frame.h, light.side
    dark = shade(look.cloth, 0.45)

    def at(u: float, v: float, wide: float, high: float) -> tuple[float, float, float, float]:
        left, top = frame.body(u, v)
        return left - wide * h, top - high * h, left + wide * h, top + high * h

    glow(image, dark, at(-side * 0.95, 2.0, 0.75, 1.6), 0.5 * light.key, figure)
    glow(image, shade(look.cloth, 1.5), at(side * 0.55, 1.15, 0.5, 0.5), 0.35 * light.key, figure)
    if look.style != "bald":
        glow(image, shade(look.hair, 1.5), at(side * 0.16, -0.44, 0.26, 0.1), 0.5, figure)


def _finish(
    image: Image, layers: Layers, frame: Frame, look: Look, shot: Shot, part: float,
    rng: random.Random,
) -> Image:  # fmt: skip
    """Full size, with what must be sharp: hair, lashes, woven cloth, grain."""
    from PIL import Image, ImageChops, ImageDraw

    size = layers.color.size
    image = image.resize(size, Image.Resampling.BILINEAR)
    box = layers.cloth.getbbox()
    if box is not None:
        mask = ImageChops.multiply(layers.cloth.crop(box), _weave().crop(box))
        image.paste(shade(look.cloth, 0.55 if sum(look.cloth) > 240 else 1.9), box, mask)
    pen = ImageDraw.Draw(image)
    draw_strands(pen, frame, look, part, rng)
    draw_face_details(pen, frame, look, shot.expression, rng)
    return image


@lru_cache(maxsize=1)
def _weave() -> Image:
    """A knit, as a mask."""
    import numpy as np
    from PIL import Image

    rows, columns = np.mgrid[0:TEXTURE, 0:TEXTURE]
    stitch = np.sin(columns * (np.pi / 4) + np.abs((rows % 12) - 6) * 0.7)
    noise = np.random.default_rng(3).uniform(0.55, 1.0, (TEXTURE, TEXTURE))
    return Image.fromarray((np.clip(stitch, 0, 1) * noise * 92).astype(np.uint8), "L")


@lru_cache(maxsize=1)
def _grain() -> Image:
    """Film grain around 128."""
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(5).normal(128, 4.0, (TEXTURE, TEXTURE)).clip(0, 255)
    return Image.merge("RGB", [Image.fromarray(noise.astype(np.uint8), "L")] * 3)
