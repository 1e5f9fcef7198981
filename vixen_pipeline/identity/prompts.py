"""The words sent to image models and trainers. Belongs here: prompts, captions, seeds.

Does not: policy (vixen_pipeline.safety judges what is built here), sending. A prompt says who the
avatar is; a caption must not: what a caption names, the LoRA does not learn, so captions hold the
shot and nothing of the person.
"""

from __future__ import annotations

import hashlib

from vixen_pipeline.identity.plan import Shot
from vixen_pipeline.identity.spec import AvatarSpec

PROMPT_VERSION = 1
"""Part of every digest that depends on these words: new words make new images."""

NEGATIVE_PROMPT = (
    "child, teenager, underage, nudity, cleavage, text, watermark, logo, frame, collage, "
    "several people, deformed hands, extra limbs, blurry, out of focus, low quality"
)
_NOUNS = {"woman": "woman", "man": "man", "androgynous": "androgynous person"}


def trigger_word(handle: str) -> str:
    """The token the LoRA is trained on: lower case, because the trainer lower-cases captions."""
    return f"vxn_{handle.replace('-', '_')}"


def describe_person(spec: AvatarSpec) -> str:
    """The person, in words: age, presentation and every visual characteristic of the spec."""
    looks = spec.appearance
    style, *more_style = (part.strip() for part in looks.hair_style.split(","))
    parts = [
        f"{spec.age}-year-old adult {_NOUNS[looks.presentation]}",
        f"{looks.hair_color} {style} hair",
        *more_style,
        f"{looks.eye_color} eyes",
        f"{looks.skin_tone} skin",
        f"{looks.build} build",
        *looks.distinguishing,
    ]
    return ", ".join(parts)


def portrait_prompt(spec: AvatarSpec) -> str:
    """Plain text-to-image: the one picture that everything later is anchored on."""
    return (
        f"portrait photograph of a {describe_person(spec)}, wearing {spec.appearance.wardrobe[0]}, "
        f"{spec.appearance.style}, face close-up, front view, neutral expression, "
        "soft window light, plain light wall, sharp focus, natural skin texture"
    )


def dataset_prompt(spec: AvatarSpec, shot: Shot) -> str:
    """One picture of the plan; the reference image anchors the face, the words set the shot."""
    wardrobe = spec.appearance.wardrobe
    outfit = wardrobe[shot.number % len(wardrobe)]
    return (
        f"photograph of a {describe_person(spec)}, wearing {outfit}, {shot.framing}, "
        f"{shot.angle}, {shot.expression}, {shot.lighting}, {shot.background} background, "
        "sharp focus, natural skin texture"
    )


def caption(handle: str, shot: Shot) -> str:
    """What the trainer reads beside the image: trigger word first, then the shot only."""
    return (
        f"{trigger_word(handle)}, {shot.framing} photo, {shot.angle}, {shot.expression}, "
        f"{shot.lighting}, {shot.background} background"
    )


def seed_of(effect_key: str) -> int:
    """A seed (31 bits, never 0) that only this intent has: a lost reply is found again by it.

    Never 0, because a trainer that sees 0 takes a random seed instead.
    """
    number = int.from_bytes(hashlib.sha256(effect_key.encode()).digest()[:4], "big") >> 1
    return number or 1
