"""What images are to be made: collections of slots, and the intent of each image.

Belongs here: values, effect keys, requests. Does not: making (image_making.py), choosing
(image_selection.py). A portrait is a collection of one slot, a dataset one of N; a slot is tried
again, with another seed, until one of its images is accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from vixen_pipeline.db.base import Json
from vixen_pipeline.effects import Effect, Intent
from vixen_pipeline.identity.prompts import NEGATIVE_PROMPT, seed_of
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.providers.ports import ImageRequest

Purpose = Literal["portrait", "dataset"]
PROVIDER = "replicate"
IMAGE_SIDE = 1024
IMAGE_DEADLINE = timedelta(minutes=15)
KINDS: dict[Purpose, str] = {
    "portrait": "identity.portrait_image",
    "dataset": "identity.dataset_image",
}


@dataclass(frozen=True, slots=True)
class Slot:
    """One place to be filled. `shot` and `caption` are kept with the image."""

    number: int
    prompt: str
    shot: Json
    caption: str | None


@dataclass(frozen=True, slots=True)
class Collection:
    """The images of one avatar for one purpose. `input_digest` is of all they are made from.

    `model` is `owner/name:version`; `reference_key` the stored object that anchors the face;
    `tries` how many images a slot may cost; `stage` names the stage in costs and progress.
    """

    avatar: AvatarRef
    purpose: Purpose
    stage: str
    input_digest: str
    model: str
    slots: tuple[Slot, ...]
    reference_key: str | None
    tries: int


@dataclass(frozen=True, slots=True)
class ImageTask:
    """One image to be made: attempt number `attempt` (from 1) for one slot."""

    collection: Collection
    slot: Slot
    attempt: int

    @property
    def key(self) -> str:
        """The effect's permanent key: from the facts alone."""
        c = self.collection
        place = f"{c.input_digest[:32]}:{self.slot.number}:{self.attempt}"
        return f"{KINDS[c.purpose]}:{c.avatar.key}:{place}"

    def intent(self) -> Intent:
        """The request holds the object's key, never a presigned URL."""
        request: Json = {
            "model": self.collection.model,
            "prompt": self.slot.prompt,
            "negative_prompt": NEGATIVE_PROMPT,
            "seed": seed_of(self.key),
            "width": IMAGE_SIDE,
            "height": IMAGE_SIDE,
            "reference_key": self.collection.reference_key,
        }
        return Intent(
            kind=KINDS[self.collection.purpose],
            key=self.key,
            provider=PROVIDER,
            request=request,
            avatar_id=self.collection.avatar.id,
            deadline=IMAGE_DEADLINE,
        )


def request_of(effect: Effect, reference_url: str | None) -> ImageRequest:
    """The request as it was intended, also when the settings have changed since."""
    request = effect.request
    return ImageRequest(
        model=str(request["model"]),
        prompt=str(request["prompt"]),
        negative_prompt=str(request["negative_prompt"]),
        seed=int(request["seed"]),
        width=int(request["width"]),
        height=int(request["height"]),
        reference_url=reference_url,
    )


def reference_key_of(effect: Effect) -> str | None:
    key = effect.request.get("reference_key")
    return str(key) if key is not None else None
