"""Moderation of texts and images in OpenAI's form.

Belongs here: reading the three input forms, recognising images, the verdict's form. Does not: word
lists (text_moderation). An image is judged by what the sandbox knows of its bytes: one that was
drawn as `nsfw` is flagged `sexual`, every other image passes. Fault: `flagged` (the next verdict is
`sexual`, whatever was sent).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, cast

import httpx

from vixen_pipeline.sandbox.openai_wire import ApiError
from vixen_pipeline.sandbox.state import SandboxState
from vixen_pipeline.sandbox.text_moderation import (
    CATEGORIES,
    IMAGE_CATEGORIES,
    THRESHOLD,
    flagged,
    score_text,
)

PROVIDER = "openai"
ROUTE = "POST /v1/moderations"
MODELS = ("omni-moderation-latest", "omni-moderation-2024-09-26")
MAX_IMAGE = 20 * 1024 * 1024
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_NSFW_SCORE = 0.973


async def moderate(state: SandboxState, sent: Any) -> list[dict[str, object]]:
    """One result per text of a list of texts; one for a multi-modal list. Raises ApiError 400."""
    if isinstance(sent, str):
        return [_text_verdict(state, sent)]
    if not isinstance(sent, list) or not sent:
        raise ApiError(400, "Invalid value for 'input': expected texts or parts.", param="input")
    items = cast("list[object]", sent)
    if all(isinstance(item, str) for item in items):
        return [_text_verdict(state, str(item)) for item in items]
    return [await _parts_verdict(state, items)]


def _text_verdict(state: SandboxState, text: str) -> dict[str, object]:
    return _verdict(_ordered(state, score_text(text)), {"text"})


async def _parts_verdict(state: SandboxState, parts: list[object]) -> dict[str, object]:
    texts: list[str] = []
    images: list[bytes] = []
    for index, part in enumerate(parts):
        fields = cast("dict[str, Any]", part if isinstance(part, dict) else {})
        if fields.get("type") == "text" and isinstance(fields.get("text"), str):
            texts.append(fields["text"])
        elif fields.get("type") == "image_url" and isinstance(fields.get("image_url"), dict):
            images.append(await _image(state, str(fields["image_url"].get("url"))))
        else:
            raise ApiError(400, f"Invalid value for 'input[{index}]'.", param=f"input[{index}]")
    scores = dict(score_text("\n".join(texts)))
    for image in images:
        found = await state.drawn(hashlib.sha256(image).hexdigest())
        if found is not None and found[1] == "nsfw":
            scores["sexual"] = max(scores["sexual"], _NSFW_SCORE)
    kinds = ({"text"} if texts else set[str]()) | ({"image"} if images else set[str]())
    return _verdict(_ordered(state, scores), kinds)


def _ordered(state: SandboxState, scores: Mapping[str, float]) -> Mapping[str, float]:
    if state.faults.take(PROVIDER, "flagged", ROUTE) is not None:
        return {**scores, "sexual": _NSFW_SCORE}
    return scores


async def _image(state: SandboxState, url: str) -> bytes:
    """The image's bytes from a data URL or over HTTP. Raises ApiError 400."""
    if url.startswith("data:"):
        head, _, payload = url.partition(",")
        try:
            image = base64.b64decode(payload, validate=True) if ";base64" in head else b""
        except binascii.Error as error:
            raise _bad_image("could not be decoded") from error
    elif url.startswith(("http://", "https://")):
        try:
            answer = await state.http.get(url)
        except httpx.HTTPError as error:
            raise _bad_image("could not be downloaded") from error
        if answer.status_code != 200:
            raise _bad_image(f"could not be downloaded: status {answer.status_code}")
        image = answer.content
    else:
        raise _bad_image("has an unsupported URL scheme")
    if len(image) > MAX_IMAGE:
        raise _bad_image("is larger than 20 MB")
    if not image.startswith(_MAGIC):
        raise _bad_image("is not a PNG, JPEG, GIF or WebP file")
    return image


def _bad_image(reason: str) -> ApiError:
    return ApiError(400, f"Invalid image: it {reason}.", param="input", code="invalid_image_url")


def _verdict(scores: Mapping[str, float], kinds: set[str]) -> dict[str, object]:
    applied: dict[str, list[str]] = {
        name: sorted(kinds if name in IMAGE_CATEGORIES else kinds & {"text"}) for name in CATEGORIES
    }
    shown = {name: scores[name] if applied[name] else 0.0 for name in CATEGORIES}
    return {
        "flagged": flagged(shown),
        "categories": {name: score >= THRESHOLD for name, score in shown.items()},
        "category_scores": shown,
        "category_applied_input_types": applied,
    }
