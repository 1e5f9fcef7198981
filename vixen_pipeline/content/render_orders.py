"""What is to be rendered: orders of single images, calls of several, their intents.

Belongs here: values, request ids, effect keys, requests. Does not: performing (render_calls.py),
rows (render_rows.py). What a call sends is kept in its effect's request, so that a call is repeated
word for word after a crash, whatever has changed since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from vixen_pipeline.content.chosen_weights import ChosenWeights
from vixen_pipeline.db.base import Json
from vixen_pipeline.effects import Effect, Intent
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.providers.inference_ports import InferencePrompt, InferenceWeights
from vixen_pipeline.providers.ports import Usage

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

Purpose = Literal["shot", "exam"]
PROVIDER = "modal"
KINDS: dict[Purpose, str] = {"shot": "content.images", "exam": "content.exam_images"}
STAGES: dict[Purpose, str] = {"shot": "content_images", "exam": "weights_exams"}
WIDTH, HEIGHT = 896, 1152
"""One of SDXL's own sizes, and the nearest to 4:5: every rendition is cut from it."""
CALL_DEADLINE = timedelta(minutes=30)
EXPECTED_SKU = "gpu-l40s"
EXPECTED_SECONDS = Decimal(8)
"""Expected billed seconds of one image, for reservations; booked is what the endpoint states."""


@dataclass(frozen=True, slots=True)
class RenderOrder:
    """One image to be made. `purpose_id` is the shot's or the exam's row, `attempt` counts from 1
    within it (an exam numbers its prompts by it). `width` and `height` are in pixels."""

    avatar: AvatarRef
    purpose_id: int
    purpose: Purpose
    attempt: int
    prompt: str
    negative_prompt: str
    seed: int
    weights: ChosenWeights
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def request_id(self) -> str:
        """Ties the answer to the order; unique in this database."""
        return f"{self.purpose}-{self.purpose_id}-{self.attempt}"

    @property
    def prompt_sha256(self) -> str:
        return hashlib.sha256(self.prompt.encode()).hexdigest()


def call_intent(orders: Sequence[RenderOrder]) -> Intent:
    """The intent of one call. All orders are of one avatar, purpose and weights.

    The key is a digest of everything that is sent but the addresses: the endpoint takes it for the
    request's identity, and two databases may share an endpoint.
    """
    first = orders[0]
    weights = first.weights
    request: Json = {
        "weights": {
            "object_key": weights.object_key,
            "sha256": weights.sha256,
            "embeddings_key": weights.embeddings_key,
            "embeddings_sha256": weights.embeddings_sha256,
            "trigger_word": weights.trigger_word,
        },
        "prompts": [_prompt(order) for order in orders],
    }
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:40]
    kind = KINDS[first.purpose]
    return Intent(
        kind=kind,
        key=f"{kind}:{first.avatar.key}:{digest}",
        provider=PROVIDER,
        request=request,
        avatar_id=first.avatar.id,
        deadline=CALL_DEADLINE,
    )


def _prompt(order: RenderOrder) -> Json:
    return {
        "id": order.request_id,
        "prompt": order.prompt,
        "negative_prompt": order.negative_prompt,
        "seed": order.seed,
        "width": order.width,
        "height": order.height,
    }


def prompts_of(effect: Effect) -> list[InferencePrompt]:
    """The prompts as they were intended."""
    return [
        InferencePrompt(
            id=str(prompt["id"]),
            prompt=str(prompt["prompt"]),
            negative_prompt=str(prompt["negative_prompt"]),
            seed=int(prompt["seed"]),
            width=int(prompt["width"]),
            height=int(prompt["height"]),
        )
        for prompt in effect.request["prompts"]
    ]


def presigned_weights(services: Services, effect: Effect) -> InferenceWeights:
    """The weights with URLs made now, for one call: kept nowhere."""
    weights: Json = effect.request["weights"]
    embeddings = weights["embeddings_key"]
    return InferenceWeights(
        url=services.objects.presign(str(weights["object_key"])),
        sha256=str(weights["sha256"]),
        embeddings_url=services.objects.presign(str(embeddings)) if embeddings else None,
        embeddings_sha256=weights["embeddings_sha256"] if embeddings else None,
        trigger_word=str(weights["trigger_word"]) or None,
    )


def expected_usage(images: int) -> list[Usage]:
    """What `images` images are expected to bill."""
    return [Usage(PROVIDER, EXPECTED_SKU, EXPECTED_SECONDS * images)]
