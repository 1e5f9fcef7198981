"""Who is drawn: a person's colours and hair, read from words, from a picture, or made up.

Belongs here: `Look` and where it comes from. Does not: the shot (drawing_shot.py), pixels drawn.
"""

from __future__ import annotations

import colorsys
import hashlib
import io
import random
import re
from dataclasses import asdict, dataclass
from typing import Any

Rgb = tuple[int, int, int]

HAIR_COLORS: dict[str, Rgb] = {
    "platinum blonde": (236, 224, 196), "platinum": (236, 224, 196),
    "strawberry blonde": (214, 150, 98), "ash blonde": (196, 178, 146),
    "dirty blonde": (178, 146, 100), "honey blonde": (206, 160, 92),
    "golden blonde": (222, 178, 96), "dark blonde": (164, 130, 84),
    "blonde": (222, 186, 116), "blond": (222, 186, 116), "golden": (214, 168, 80),
    "honey": (196, 144, 76), "copper": (184, 88, 44), "ginger": (204, 98, 40),
    "auburn": (134, 58, 38), "red": (168, 52, 34), "burgundy": (104, 24, 42),
    "chestnut": (116, 66, 38), "caramel": (160, 106, 62), "light brown": (144, 102, 66),
    "dark brown": (62, 42, 30), "chocolate": (74, 46, 32), "brunette": (88, 58, 40),
    "brown": (98, 64, 42), "jet black": (22, 20, 24), "raven": (26, 24, 32),
    "black": (32, 28, 30), "silver": (192, 194, 200), "grey": (150, 150, 154),
    "gray": (150, 150, 154), "white": (232, 230, 226), "pink": (226, 120, 164),
    "lavender": (176, 148, 208), "purple": (116, 62, 148), "violet": (116, 62, 148),
    "blue": (54, 92, 168), "teal": (38, 136, 140), "green": (60, 130, 84),
    "mint": (132, 204, 172), "orange": (220, 120, 44),
}  # fmt: skip
SKIN_TONES: dict[str, Rgb] = {
    "porcelain": (248, 226, 212), "alabaster": (246, 226, 214), "ivory": (246, 224, 204),
    "pale": (246, 222, 206), "fair": (242, 212, 190), "light brown": (190, 138, 102),
    "light": (238, 204, 178), "peach": (240, 200, 172), "rosy": (238, 196, 178),
    "beige": (226, 188, 156), "medium": (214, 170, 132), "honey": (206, 156, 112),
    "olive": (198, 158, 114), "golden": (212, 162, 110), "tan": (198, 146, 104),
    "tanned": (198, 146, 104), "bronze": (172, 116, 76), "caramel": (176, 122, 82),
    "amber": (182, 124, 78), "dark brown": (98, 62, 44), "brown": (142, 94, 64),
    "mahogany": (112, 66, 48), "espresso": (84, 54, 42), "ebony": (78, 52, 42),
    "deep": (96, 64, 48), "dark": (106, 70, 52), "warm": (214, 166, 128), "cool": (228, 192, 176),
}  # fmt: skip
EYE_COLORS: dict[str, Rgb] = {
    "dark brown": (70, 42, 26), "light brown": (138, 90, 48), "brown": (100, 62, 34),
    "hazel": (134, 108, 56), "amber": (178, 118, 42), "green": (70, 128, 84),
    "emerald": (34, 138, 92), "blue": (72, 126, 184), "ice blue": (140, 184, 214),
    "grey": (124, 136, 146), "gray": (124, 136, 146), "teal": (40, 134, 140),
    "violet": (120, 88, 168), "black": (38, 28, 26),
}  # fmt: skip
CLOTH_COLORS: dict[str, Rgb] = {
    "white": (238, 236, 230), "cream": (236, 224, 198), "ivory": (238, 230, 210),
    "beige": (208, 188, 158), "camel": (188, 146, 98), "tan": (190, 152, 110),
    "brown": (112, 76, 52), "black": (40, 40, 46), "charcoal": (62, 66, 74),
    "grey": (138, 142, 148), "gray": (138, 142, 148), "silver": (186, 190, 198),
    "navy": (34, 48, 92), "denim": (78, 110, 150), "sky blue": (138, 190, 226),
    "blue": (58, 104, 176), "teal": (30, 128, 132), "turquoise": (64, 186, 186),
    "emerald": (22, 120, 84), "olive": (110, 116, 66), "sage": (150, 170, 140),
    "mint": (158, 214, 188), "green": (64, 134, 82), "mustard": (206, 158, 44),
    "yellow": (236, 204, 82), "gold": (206, 164, 76), "orange": (226, 128, 54),
    "coral": (236, 122, 104), "terracotta": (190, 98, 70), "rust": (170, 84, 48),
    "burgundy": (112, 28, 48), "red": (192, 46, 50), "pink": (232, 150, 176),
    "rose": (214, 124, 142), "blush": (232, 190, 184), "lavender": (186, 168, 214),
    "purple": (114, 72, 150), "plum": (100, 50, 92), "linen": (224, 210, 184),
}  # fmt: skip
_STYLES: tuple[tuple[str, str], ...] = (
    (r"\b(afro|coily)\b", "afro"),
    (r"\b(curly|curls|ringlets)\b", "curly"),
    (r"\b(bun|chignon|updo|top ?knot)\b", "bun"),
    (r"\b(ponytail|pony tail)\b", "ponytail"),
    (r"\b(braids?|braided|plaits?)\b", "braid"),
    (r"\b(bald|shaved head)\b", "bald"),
    (r"\b(buzz ?cut|cropped|pixie|short|crew ?cut|fade|undercut)\b", "short"),
    (r"\b(bob|shoulder[- ]length|chin[- ]length|lob|medium)\b", "bob"),
    (r"\b(wavy|waves|long)\b", "long"),
)


@dataclass(frozen=True, slots=True)
class Look:
    """One person. The first three colours are who it is; the rest may change with the words."""

    hair: Rgb
    skin: Rgb
    eyes: Rgb
    cloth: Rgb
    style: str = "long"
    man: bool = False
    freckles: bool = False
    glasses: bool = False
    beard: bool = False

    @property
    def key(self) -> str:
        return f"{self.hair}{self.skin}{self.eyes}{self.style}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Look:
        colors: dict[str, Any] = {n: tuple(stored[n]) for n in ("hair", "skin", "eyes", "cloth")}
        return cls(**{**stored, **colors})


def look_from_prompt(prompt: str) -> Look:
    """The person that a prompt describes. The same words give the same person."""
    text = prompt.lower()
    hair = _clause(text, "hair")
    man = re.search(r"\b(man|male|gentleman|guy)\b", text) is not None
    return Look(
        hair=_color(hair, HAIR_COLORS),
        skin=_color(_clause(text, "skin|complexion"), SKIN_TONES),
        eyes=_color(_clause(text, "eyes|eyed"), EYE_COLORS),
        cloth=clothing(text) or _color(text, CLOTH_COLORS),
        style=_style(hair or text) or ("short" if man else "long"),
        man=man,
        freckles="freckle" in text,
        glasses=re.search(r"\bglasses\b", text) is not None,
        beard=man and re.search(r"\b(beard|stubble|bearded)\b", text) is not None,
    )


def clothing(prompt: str) -> Rgb | None:
    """The colour of what the words say is worn; None when they say nothing of it."""
    worn = re.search(r"\b(?:wearing|dressed in)\s+(?:an? )?([^,.;]+)", prompt.lower())
    return None if worn is None else _color(worn[1], CLOTH_COLORS)


def stranger_to(look: Look, seed: int) -> Look:
    """Somebody who is plainly another person: other hair, other skin."""
    rng = random.Random(f"stranger:{seed}")
    return Look(
        hair=rng.choice(_farthest(look.hair, HAIR_COLORS, 8)),
        skin=rng.choice(_farthest(look.skin, SKIN_TONES, 4)),
        eyes=rng.choice(_farthest(look.eyes, EYE_COLORS, 4)),
        cloth=look.cloth,
        style=rng.choice(["long", "bob", "short", "curly", "bun"]),
        man=look.man,
    )


def _farthest(color: Rgb, palette: dict[str, Rgb], count: int) -> list[Rgb]:
    return sorted(palette.values(), key=lambda other: -_apart(other, color))[:count]


def look_from_pixels(content: bytes) -> Look | None:
    """A guess at the person in a picture that was not drawn here; None when it is no picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            small = image.convert("RGB").resize((64, 64))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return None

    def mean(box: tuple[int, int, int, int]) -> Rgb:
        pixel = small.crop(box).resize((1, 1)).getpixel((0, 0))
        red, green, blue = pixel if isinstance(pixel, tuple) else (0, 0, 0)
        return int(red), int(green), int(blue)

    return Look(
        hair=mean((24, 8, 40, 16)),
        skin=mean((26, 24, 38, 40)),
        eyes=mean((26, 26, 38, 30)),
        cloth=mean((20, 54, 44, 64)),
    )


def _clause(text: str, noun: str) -> str:
    """The words right before a noun, up to the comma: "copper long waves" of "... hair"."""
    match = re.search(rf"([^,.;:]*?)[\s-]+(?:{noun})\b", text)
    return "" if match is None else match[1]


def _color(words: str, palette: dict[str, Rgb]) -> Rgb:
    """The first colour named in the words; without one, a colour that belongs to the words."""
    found = [(match.start(), -len(name), name) for name in palette
             if (match := re.search(rf"\b{name}\b", words))]  # fmt: skip
    if found:
        return palette[min(found)[2]]
    values = list(palette.values())
    return values[hashlib.sha256(words.encode()).digest()[0] % len(values)]


def _style(words: str) -> str | None:
    for pattern, style in _STYLES:
        if re.search(pattern, words):
            return style
    return None


def _apart(one: Rgb, other: Rgb) -> float:
    """How different two colours look; hue counts more than brightness, which light changes."""
    red, green, blue = (a - b for a, b in zip(one, other, strict=True))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return ((luma / 2) ** 2 + (blue - luma) ** 2 + (red - luma) ** 2) ** 0.5


def shade(color: Rgb, factor: float, warmth: float = 0.0) -> Rgb:
    """A darker (<1) or lighter (>1) tone; shadows get a little more colour, lights a little less.

    `warmth` (-1..1) moves it towards red or blue.
    """
    hue, light, colour = colorsys.rgb_to_hls(*(part / 255 for part in color))
    light = light * factor if factor <= 1 else 1 - (1 - light) / factor
    colour = min(1.0, colour * (1.12 if factor < 1 else 0.96))
    red, green, blue = colorsys.hls_to_rgb(hue, max(0.0, min(1.0, light)), colour)
    shift = 0.05 * warmth
    return _byte(red + shift), _byte(green), _byte(blue - shift)


def _byte(part: float) -> int:
    return max(0, min(255, round(part * 255)))


def mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    """`one` with `share` (0..1) of `other`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
