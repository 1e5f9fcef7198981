"""The words and seeds of a shot. Belongs here: prompts, what of them is compared, seeds.

Does not: choosing what is in a shot (sampling.py), the identity's own prompts. The LoRA knows the
person: a content prompt has the trigger word, the age and the shot, and no word about hair, eyes
or skin, which could only contradict what was learnt.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from vixen_pipeline.content.templates import Template
from vixen_pipeline.identity.prompts import NEGATIVE_PROMPT, trigger_word
from vixen_pipeline.identity.spec import AvatarSpec

CONTENT_NEGATIVE_PROMPT = NEGATIVE_PROMPT
_NOUNS = {"woman": "woman", "man": "man", "androgynous": "androgynous person"}

_MASK = 2**31 - 1
POSITIONS, ATTEMPTS = 2**11, 2**6
"""Shots per plan and images per shot that have seeds of their own; a plan has at most 2,000."""
PLANS = 2**31 // (POSITIONS * ATTEMPTS)


@dataclass(frozen=True, slots=True)
class Setting:
    """What the shots of a scene share. `moment` and `prop` only when the plan needed more."""

    template: Template
    outfit: str
    background: str
    lighting: str
    moment: str | None = None
    prop: str | None = None

    def words(self) -> str:
        """The setting in words, without the person."""
        more = [word for word in (self.moment, self.prop) if word]
        parts = [self.template.scene, f"wearing {self.outfit}", self.background, *more]
        return ", ".join([*parts, self.lighting])


@dataclass(frozen=True, slots=True)
class Pose:
    """What differs between the shots of a scene."""

    framing: str
    angle: str
    expression: str

    def words(self) -> str:
        return f"{self.framing}, {self.angle}, {self.expression}"


def compared_words(setting: Setting, pose: Pose) -> str:
    """What is embedded: the shot alone. What all shots have in common would only hide it."""
    return f"{pose.words()}, {setting.words()}"


def shot_prompt(spec: AvatarSpec, setting: Setting, pose: Pose) -> str:
    """The prompt. First what matters most: the encoder reads about 75 tokens."""
    person = f"{spec.age}-year-old adult {_NOUNS[spec.appearance.presentation]}"
    more = "".join(f", {word}" for word in (setting.moment, setting.prop) if word)
    return (
        f"{trigger_word(spec.handle)}, {pose.framing} photograph of a {person}, "
        f"{setting.template.scene}, wearing {setting.outfit}, {pose.angle}, {pose.expression}, "
        f"{setting.background} background, {setting.lighting}{more}, natural skin texture"
    )


def prompt_digest(prompt: str) -> str:
    """SHA-256 (hex) of a prompt; with the seed it is unique in an avatar's history."""
    return hashlib.sha256(prompt.encode()).hexdigest()


def shot_choices(setting: Setting, pose: Pose) -> dict[str, str]:
    """What was chosen, by dimension, as kept with the shot."""
    chosen = {
        "framing": pose.framing,
        "angle": pose.angle,
        "expression": pose.expression,
        "lighting": setting.lighting,
        "background": setting.background,
        "outfit": setting.outfit,
        "scene": setting.template.scene,
        "place": setting.template.place,
    }
    extras = {"moment": setting.moment, "prop": setting.prop}
    return chosen | {name: word for name, word in extras.items() if word}


def shot_seed(avatar_id: int, plan_number: int, position: int, attempt: int = 0) -> int:
    """The seed (31 bits, never 0) of an image: no other image of the avatar has it.

    A permutation of the numbered images, keyed by the avatar: unique by construction and not by
    luck, which runs out at about fifty thousand images. Raises ValueError outside of its range.
    """
    inside = 1 <= plan_number < PLANS and 0 <= position < POSITIONS and 0 <= attempt < ATTEMPTS
    if not inside:
        raise ValueError(f"no seed for plan {plan_number}, shot {position}, attempt {attempt}")
    number = (plan_number * POSITIONS + position) * ATTEMPTS + attempt
    key = hashlib.sha256(f"content-seed:{avatar_id}".encode()).digest()
    # Each step can be undone and keeps 0 where it is, so no two numbers meet and none becomes 0.
    for start in (0, 4, 8):
        number = number * (int.from_bytes(key[start : start + 4]) | 1) & _MASK
        number ^= number >> 15
    return number
