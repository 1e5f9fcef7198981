"""Image inference behind a Modal web endpoint: the ImageInference port over plain HTTP.

Belongs here: two headers, one POST, the 303 that Modal answers after 150 s and that is followed as
GET without starting a second run, images tied to prompts by id. Does not: prompts, weights, the
function itself. There is no way to read a lost call back, and repeating one only costs money, so
nothing here ends Unknown.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, cast
from urllib.parse import urljoin

from vixen_pipeline.errors import Permanent, Transient
from vixen_pipeline.providers import http
from vixen_pipeline.providers.endpoints import ModalEndpoint, modal_endpoint
from vixen_pipeline.providers.failures import TIMEOUT, StatusError, Unreadable, edge
from vixen_pipeline.providers.ports import (
    ImageInference,
    InferenceBatch,
    InferencePrompt,
    Usage,
)
from vixen_pipeline.settings import Settings

if TYPE_CHECKING:
    import httpx

PROVIDER = "modal"
REPLY_S = 170.0
"""Modal holds a request for 150 s at most, then answers 303."""
LONGEST_S = 900.0
CONCURRENCY = 8


class ModalInference:
    """The ImageInference port on Modal. Thread-safe."""

    def __init__(
        self,
        endpoint: ModalEndpoint,
        *,
        reply_s: float = REPLY_S,
        longest_s: float = LONGEST_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._longest_s = longest_s
        self._monotonic = monotonic
        self._client = http.Once(lambda: _client(endpoint, reply_s))

    def generate(
        self, weights_url: str, weights_sha256: str, prompts: Sequence[InferencePrompt]
    ) -> InferenceBatch:
        body = {
            "weights_url": weights_url,
            "weights_sha256": weights_sha256,
            "prompts": [
                {
                    "id": prompt.id,
                    "prompt": prompt.prompt,
                    "negative_prompt": prompt.negative_prompt,
                    "seed": prompt.seed,
                    "width": prompt.width,
                    "height": prompt.height,
                }
                for prompt in prompts
            ],
        }
        with edge(PROVIDER, repeatable=True):
            return _batch(self._run(body), prompts)

    def _run(self, body: Mapping[str, object]) -> Mapping[str, object]:
        """POST, then follow each 303 as GET on the same origin until the run has ended."""
        client, url = self._client(), f"{self._endpoint.url}/generate"
        until = self._monotonic() + self._longest_s
        reply = client.post(url, json=body)
        while reply.status_code == 303:
            url = urljoin(url, reply.headers.get("location", ""))
            if http.origin(url) != http.origin(self._endpoint.url):
                raise Permanent(PROVIDER, "it redirects to another host.", code="foreign_redirect")
            if self._monotonic() > until:
                message = f"the run did not end within {self._longest_s:.0f} seconds."
                raise Transient(PROVIDER, message, code=TIMEOUT)
            reply = client.get(url)
        if reply.status_code >= 300:
            raise StatusError(reply.status_code, reply.headers, reply.content)
        content: object = reply.json()
        if not isinstance(content, Mapping):
            raise Unreadable("not a JSON object")
        return cast(Mapping[str, object], content)


def _batch(answer: Mapping[str, object], prompts: Sequence[InferencePrompt]) -> InferenceBatch:
    pictures = _mapping(answer.get("images"))
    reasons = _mapping(answer.get("failed"))
    images: dict[str, bytes] = {}
    failed: dict[str, str] = {}
    for prompt in prompts:
        if prompt.id in reasons:
            failed[prompt.id] = str(reasons[prompt.id])
        elif prompt.id not in pictures:
            failed[prompt.id] = "missing in the answer"
        elif (data := _image(_mapping(pictures[prompt.id]))) is None:
            failed[prompt.id] = "damaged on the way"
        else:
            images[prompt.id] = data
    gpu, seconds = answer.get("gpu"), answer.get("seconds")
    if not isinstance(gpu, str) or not isinstance(seconds, int | float):
        raise Unreadable("no gpu or seconds, so the run cannot be billed")
    usage = (Usage(PROVIDER, f"gpu-{gpu.lower()}", Decimal(str(seconds))),)
    return InferenceBatch(images, failed, str(answer.get("model", "")), usage)


def _image(picture: Mapping[str, object]) -> bytes | None:
    """The bytes, or None when they are not those that the function sent off."""
    try:
        data = base64.b64decode(str(picture.get("image", "")), validate=True)
    except binascii.Error:
        return None
    return data if hashlib.sha256(data).hexdigest() == picture.get("sha256") else None


def _mapping(value: object) -> Mapping[str, object]:
    return cast(Mapping[str, object], value) if isinstance(value, Mapping) else {}


def _client(endpoint: ModalEndpoint, reply_s: float) -> httpx.Client:
    import httpx

    return httpx.Client(
        headers={"Modal-Key": endpoint.key, "Modal-Secret": endpoint.secret},
        timeout=http.timeout(reply_s),
        limits=http.limits(CONCURRENCY),
        trust_env=not http.is_loopback(endpoint.url),
    )


def build_image_inference(settings: Settings) -> ImageInference:
    """The inference endpoint of this instance. Raises SettingsMissing."""
    return ModalInference(modal_endpoint(settings))
