"""What new weights are examined with. Belongs here: the held-out prompts and their seeds.

Does not: judging (exam_rule.py), rendering (exam_render.py). Held out: no scene here is in the
template library or in the plan of a training dataset, so weights that only know what they were
trained on cannot pass by it. Fixed: number 3 is the same words and the same seed for every
candidate, so candidates differ by what they learnt and by nothing else.
"""

from __future__ import annotations

import hashlib

from vixen_pipeline.identity.prompts import NEGATIVE_PROMPT
from vixen_pipeline.identity.spec import AvatarSpec

EXAM_VERSION = 1
"""Part of the exam's digest: other words are another exam."""
EXAM_NEGATIVE_PROMPT = NEGATIVE_PROMPT

SCENES = (
    "sitting on a museum bench",
    "waiting at a tram stop",
    "leaning on a ferry railing",
    "standing in a greenhouse aisle",
    "beside a lighthouse door",
    "at a chess table in a square",
    "in a planetarium foyer",
    "on a wooden footbridge over a stream",
    "under the arch of a market hall",
    "before a wall of blue tiles",
    "in a vineyard row",
    "beside a canal lock gate",
    "in the dining car of a train",
    "at the foot of a stone staircase",
    "in a pottery doorway",
    "next to a vintage radio",
)
FRAMINGS = ("bust", "face close-up", "half body", "full body")
ANGLES = (
    "front view",
    "three-quarter view from the left",
    "three-quarter view from the right",
    "slight left turn",
    "slight right turn",
)
EXPRESSIONS = (
    "soft smile",
    "neutral expression",
    "laughing",
    "thoughtful look",
    "confident look",
    "serene look",
    "broad smile",
)
LIGHTS = (
    "overcast daylight",
    "golden hour light",
    "soft window light",
    "warm evening light",
    "cool morning light",
    "bright midday light",
)
OUTFITS = (
    "a navy peacoat",
    "a mustard cardigan",
    "a white linen shirt",
    "a burgundy turtleneck",
    "a denim jacket",
)
MOST = len(SCENES) * len(FRAMINGS)
_NOUNS = {"woman": "woman", "man": "man", "androgynous": "androgynous person"}


def exam_prompts(spec: AvatarSpec, trigger_word: str, count: int) -> list[str]:
    """The first `count` (at most MOST) prompts, all different; no word of hair, eyes or skin."""
    return [_prompt(spec, trigger_word, number) for number in range(count)]


def _prompt(spec: AvatarSpec, trigger_word: str, number: int) -> str:
    # Each round through the scenes begins with the next framing.
    framing = FRAMINGS[(number + number // len(SCENES)) % len(FRAMINGS)]
    return (
        f"{trigger_word}, {framing} photograph of a {spec.age}-year-old adult "
        f"{_NOUNS[spec.appearance.presentation]}, {SCENES[number % len(SCENES)]}, "
        f"wearing {OUTFITS[number % len(OUTFITS)]}, {ANGLES[number % len(ANGLES)]}, "
        f"{EXPRESSIONS[number % len(EXPRESSIONS)]}, {LIGHTS[number % len(LIGHTS)]}, "
        "natural skin texture"
    )


def exam_seed(exam_digest: str, number: int, attempt: int) -> int:
    """The seed (31 bits, never 0) of one image: that of prompt `number` at its `attempt`."""
    text = f"exam-seed:{exam_digest}:{number}:{attempt}"
    return (int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1) or 1
