"""What the inference endpoint answers, read with distrust. Belongs here: JSON to InferenceBatch.

Does not: HTTP. An image counts only when it is tied to its prompt beyond doubt: the answer names
our request and our weights, the id appears once, the seed is the one we sent and the digest is that
of the bytes. Ids that nobody asked for are left out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast

import structlog

from vixen_pipeline.errors import Transient
from vixen_pipeline.providers.failures import Unreadable
from vixen_pipeline.providers.inference_ports import InferenceBatch, InferencePrompt
from vixen_pipeline.providers.ports import Usage

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

PROVIDER = "modal"
Answer = Mapping[str, object]

MAX_IMAGE_BYTES = 20 * 1024 * 1024
"""A larger file is no image of ours (pictures.files.MAX_BYTES refuses it, too)."""
_TWICE = object()
"""Stands in the place of a value whose key came twice."""


def size_limit(images: int) -> int:
    """The largest answer that is read, bytes: each image in base64, and what is around it."""
    return (images + 1) * (MAX_IMAGE_BYTES * 4 // 3) + 1024 * 1024


def parse(content: bytes) -> Answer:
    """The JSON object, with keys that came twice marked. Raises ValueError, Unreadable."""
    found: object = json.loads(content, object_pairs_hook=_object)
    if not isinstance(found, Mapping):
        raise Unreadable("not a JSON object")
    return cast(Answer, found)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        found[name] = _TWICE if name in found else value
    return found


def read_batch(
    answer: Answer,
    request_id: str,
    prompts: Sequence[InferencePrompt],
    weights_sha256: str | None,
) -> tuple[InferenceBatch, bool]:
    """The images by id, and whether one was damaged on the way.

    Raises Transient for the answer of another request, Unreadable for one that cannot be billed.
    """
    _require_ours(answer, request_id, weights_sha256)
    pictures, reasons = mapping(answer.get("images")), mapping(answer.get("failed"))
    images: dict[str, bytes] = {}
    failed: dict[str, str] = {}
    damaged = False
    for prompt in prompts:
        if prompt.id in reasons:
            failed[prompt.id] = str(reasons[prompt.id])
            continue
        found = _image(pictures.get(prompt.id), prompt)
        if isinstance(found, bytes):
            images[prompt.id] = found
        else:
            failed[prompt.id] = found
            damaged = True
    strangers = (pictures.keys() | reasons.keys()) - {prompt.id for prompt in prompts}
    if strangers:
        log.warning("modal.stranger_ids", request_id=request_id, count=len(strangers))
    return InferenceBatch(images, failed, str(answer.get("model", "")), _usage(answer),
                          _text(answer.get("model_digest"))), damaged  # fmt: skip


def _require_ours(answer: Answer, request_id: str, weights_sha256: str | None) -> None:
    if answer.get("request_id") != request_id:
        message = "it answered with the result of another request."
        raise Transient(PROVIDER, message, code="other_request")
    if weights_sha256 is not None and answer.get("weights_sha256") != weights_sha256:
        raise Transient(PROVIDER, "it answered with other weights.", code="other_weights")


def _image(picture: object, prompt: InferencePrompt) -> bytes | str:
    """The bytes, or why they cannot be taken for this prompt's image."""
    if picture is None:
        return "missing in the answer"
    if picture is _TWICE:
        return "twice in the answer"
    entry = mapping(picture)
    if entry.get("seed") != prompt.seed:
        return "made with another seed"
    text = str(entry.get("image", ""))
    if len(text) > MAX_IMAGE_BYTES * 4 // 3 + 4:
        return f"larger than {MAX_IMAGE_BYTES:,} bytes"
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return "damaged on the way"
    if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        return "damaged on the way"
    return data


def _usage(answer: Answer) -> tuple[Usage, ...]:
    gpu, seconds = answer.get("gpu"), answer.get("seconds")
    if not isinstance(gpu, str) or not isinstance(seconds, int | float):
        raise Unreadable("no gpu or seconds, so the run cannot be billed")
    return (Usage(PROVIDER, f"gpu-{gpu.lower()}", Decimal(str(seconds))),)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def mapping(value: object) -> Answer:
    """`value` when it is an object, else an empty one."""
    return cast(Answer, value) if isinstance(value, Mapping) else {}
