"""Moderation by OpenAI. Belongs here: verdicts with raw scores. Does not: the policy.

Fails closed: whenever a verdict is missing or cannot be read, this raises. Categories that were
not applied to an image (sexual/minors is for text only) have no score: absent, not zero.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from vixen_pipeline.errors import Permanent, Transient
from vixen_pipeline.providers.failures import UNREADABLE, edge
from vixen_pipeline.providers.openai_client import PROVIDER, OpenAIClient, openai_client
from vixen_pipeline.providers.ports import ModerationResult, Moderator
from vixen_pipeline.settings import Settings

if TYPE_CHECKING:
    from openai.types import Moderation, ModerationCreateResponse

BATCH = 32
REQUIRED = {"text": ("sexual", "sexual/minors"), "image": ("sexual",)}
"""A verdict without a score for one of these is none: not measured is not a pass."""
LARGEST_IMAGE = 20_000_000
"""Bytes of one image; a larger one is refused here, in one clear line."""


class OpenAIModerator:
    """The Moderator port on OpenAI. Thread-safe."""

    def __init__(self, client: OpenAIClient, *, model: str) -> None:
        self._client = client
        self._model = model

    def moderate_texts(self, texts: Sequence[str]) -> list[ModerationResult]:
        verdicts: list[ModerationResult] = []
        for start in range(0, len(texts), BATCH):
            batch = list(texts[start : start + BATCH])
            with edge(PROVIDER, repeatable=True):
                reply = self._client().moderations.create(input=batch, model=self._model)
            verdicts.extend(_verdicts(reply, len(batch), "text"))
        return verdicts

    def moderate_image(self, image: bytes, content_type: str) -> ModerationResult:
        if len(image) > LARGEST_IMAGE:
            raise Permanent(
                PROVIDER,
                f"an image of {len(image):,} bytes is too large to moderate "
                f"(at most {LARGEST_IMAGE:,}).",
                code="too_large",
            )
        url = f"data:{content_type};base64,{base64.b64encode(image).decode()}"
        with edge(PROVIDER, repeatable=True):
            reply = self._client().moderations.create(
                input=[{"type": "image_url", "image_url": {"url": url}}], model=self._model
            )
        return _verdicts(reply, 1, "image")[0]


def _verdicts(reply: ModerationCreateResponse, count: int, kind: str) -> list[ModerationResult]:
    results = list(reply.results or [])
    if len(results) != count:
        raise _cannot_tell(f"{len(results)} verdicts for {count} inputs")
    return [_verdict(result, reply.model, kind) for result in results]


def _verdict(result: Moderation, model: str, kind: str) -> ModerationResult:
    raw = cast(Mapping[str, object], result.model_dump(by_alias=True))
    flags, scores = raw.get("categories"), raw.get("category_scores")
    flagged = raw.get("flagged")
    if (
        not isinstance(flags, Mapping)
        or not isinstance(scores, Mapping)
        or not isinstance(flagged, bool)
    ):
        raise _cannot_tell("a verdict without flags and scores")
    applied = raw.get("category_applied_input_types")
    kinds: Mapping[str, Sequence[str]] = (
        cast(Mapping[str, Sequence[str]], applied) if isinstance(applied, Mapping) else {}
    )
    measured = {
        name: float(score)
        for name, score in cast(Mapping[str, float | None], scores).items()
        if score is not None and kind in (kinds.get(name) or ([kind] if not kinds else ()))
    }
    lacking = [name for name in REQUIRED[kind] if not 0 <= measured.get(name, -1) <= 1]
    if lacking:
        raise _cannot_tell(f"{' and '.join(lacking)} was not measured in the {kind}")
    categories = tuple(n for n, flag in cast(Mapping[str, bool], flags).items() if flag)
    return ModerationResult(flagged, categories, measured, model)


def _cannot_tell(what: str) -> Transient:
    return Transient(PROVIDER, f"moderation cannot tell: {what}.", code=UNREADABLE)


def build_moderator(settings: Settings) -> Moderator:
    """The moderator of this instance. Raises SettingsMissing."""
    return OpenAIModerator(openai_client(settings), model=settings.openai_moderation_model)
