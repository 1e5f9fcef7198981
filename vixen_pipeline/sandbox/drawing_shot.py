"""How a person is shown: framing, angle, expression, light and place, read from a prompt's words.

Belongs here: words to numbers. Does not: pixels. What a prompt leaves open, the seed decides.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

from vixen_pipeline.sandbox.drawing_look import Rgb

# name: (head height, head centre x, head centre y), as shares of the image
FRAMINGS: dict[str, tuple[float, float, float]] = {
    "close": (0.50, 0.50, 0.47),
    "bust": (0.35, 0.50, 0.37),
    "half": (0.24, 0.50, 0.28),
    "full": (0.115, 0.50, 0.16),
}
_FRAMING_WORDS = (
    (r"close[- ]?up|headshot|face shot", "close"),
    (r"full[- ]body|full[- ]length|head to toe", "full"),
    (r"half[- ]body|waist[- ]up|medium shot|cowboy", "half"),
    (r"bust|upper body|head and shoulders|portrait|chest", "bust"),
)
_ANGLE_WORDS: tuple[tuple[str, tuple[float, float]], ...] = (
    (r"profile.*left|left profile", (-0.95, 0)),
    (r"profile.*right|right profile|profile", (0.95, 0)),
    (r"three[- ]quarter.*left|left three[- ]quarter", (-0.65, 0)),
    (r"three[- ]quarter|over the shoulder", (0.65, 0)),
    (r"slight left|turned? (slightly )?left|left turn", (-0.3, 0)),
    (r"slight right|turned? (slightly )?right|right turn", (0.3, 0)),
    (r"high angle|from above", (0, 0.6)),
    (r"low angle|from below", (0, -0.6)),
    (r"front|facing", (0, 0)),
)
EXPRESSIONS = (
    ("surprised", r"surpris|astonish|amazed"),
    ("laugh", r"laugh"),
    ("broad", r"broad smile|big smile|grin|beaming|joyful|excited"),
    ("smile", r"smil|happy|cheerful|friendly|warm look"),
    ("thoughtful", r"thoughtful|pensive|contemplat|curious|focus"),
    ("confident", r"confiden|determin|playful|smirk|bold"),
    ("serene", r"serene|calm|peaceful|relaxed|dreamy|eyes closed"),
    ("neutral", r"neutral|serious"),
)
# name: (pattern, tint, exposure, contrast of the key side, rim)
LIGHTS: tuple[tuple[str, str, Rgb, float, float, float], ...] = (
    ("rim", r"rim light|back ?lit|backlight", (196, 206, 230), 0.94, 0.8, 1.0),
    ("golden", r"golden hour|sunset|golden", (255, 206, 140), 1.03, 1.0, 0.55),
    ("warm", r"warm evening|candle|warm|tungsten|lamp", (255, 196, 136), 0.94, 0.9, 0.2),
    ("cool", r"cool morning|blue hour|cool|moon|neon", (164, 194, 244), 0.97, 0.8, 0.3),
    ("overcast", r"overcast|cloud|diffuse|grey day", (206, 214, 222), 0.99, 0.35, 0.0),
    ("midday", r"midday|bright|harsh|sunny|noon", (255, 246, 222), 1.08, 1.2, 0.2),
    ("studio", r"studio|softbox|ring light|flash", (244, 240, 240), 1.02, 0.7, 0.35),
    ("window", r"window|soft|natural|daylight", (240, 240, 246), 1.0, 0.75, 0.0),
)
PLACES: tuple[tuple[str, str], ...] = (
    ("library", r"librar|bookshel|book ?store"),
    ("cafe", r"caf[eé]|coffee|restaurant|bar\b|bakery"),
    ("rooftop", r"rooftop|terrace|balcony|skyline"),
    ("street", r"street|city|urban|downtown|alley"),
    ("beach", r"beach|sea|ocean|coast|shore|pool"),
    ("mountain", r"mountain|trail|hike|hill|desert|cliff"),
    ("park", r"park|tree|forest|garden|meadow|outdoors|nature|jungle"),
    ("office", r"office|desk|cowork|workspace"),
    ("gym", r"gym|fitness|yoga|weights|dance"),
    ("kitchen", r"kitchen|market|home bar"),
    ("room", r"living room|bedroom|room|sofa|home|loft|interior|hotel"),
    ("wall", r"wall|plain|studio|backdrop|seamless|background"),
)


@dataclass(frozen=True, slots=True)
class Light:
    name: str
    tint: Rgb
    exposure: float
    key: float
    rim: float
    side: int  # -1: from the left, 1: from the right


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot. `yaw` -1 (left) .. 1 (right); `pitch` -1 (seen from below) .. 1 (from above)."""

    framing: str
    head: float
    x: float
    y: float
    yaw: float
    pitch: float
    tilt: float
    expression: str
    light: Light
    place: str


def read_shot(prompt: str, rng: random.Random) -> Shot:
    """The shot that the words ask for, with the small differences no two pictures are without."""
    text = prompt.lower()
    framing = _first(text, _FRAMING_WORDS) or rng.choice(["close", "bust", "bust", "half"])
    head, x, y = FRAMINGS[framing]
    head *= rng.uniform(0.93, 1.07)
    yaw, pitch = next(
        (angle for pattern, angle in _ANGLE_WORDS if re.search(pattern, text)),
        (rng.uniform(-0.5, 0.5), rng.uniform(-0.2, 0.2)),
    )
    spread = 0.035 if framing == "close" else 0.09
    names = ((pattern, name) for name, pattern in EXPRESSIONS)
    places = ((pattern, name) for name, pattern in PLACES)
    place_words = re.sub(r"\bwindow light\b|studio softbox", "", text)
    return Shot(
        framing=framing,
        head=head,
        x=x + rng.uniform(-spread, spread) - 0.03 * yaw,
        y=y + rng.uniform(-0.025, 0.025),
        yaw=yaw + rng.uniform(-0.08, 0.08),
        pitch=pitch + rng.uniform(-0.08, 0.08),
        tilt=rng.uniform(-0.07, 0.07),
        expression=_first(text, names) or "smile",
        light=_light(text, rng),
        place=_first(place_words, places) or rng.choice([name for name, _ in PLACES]),
    )


def _first(text: str, table: Iterable[tuple[str, str]]) -> str | None:
    for pattern, name in table:
        if re.search(pattern, text):
            return name
    return None


def _light(text: str, rng: random.Random) -> Light:
    side = rng.choice([-1, 1])
    if re.search(r"light from the (left|right)", text):
        side = -1 if "from the left" in text else 1
    for name, pattern, tint, exposure, key, rim in LIGHTS:
        if re.search(pattern, text):
            return Light(name, tint, exposure, key, rim, side)
    name, _, tint, exposure, key, rim = rng.choice(LIGHTS)
    return Light(name, tint, exposure, key, rim, side)
