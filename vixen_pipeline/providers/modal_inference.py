"""Image inference behind our Modal web endpoint: the ImageInference port over plain HTTP.

Belongs here: two headers, one POST, the 303 that Modal answers after 150 s and that is followed as
GET without starting a second run, reading a call back. Does not: the answer's content
(modal_answers.py), prompts, the function itself (deploy/modal).

The endpoint works on a request id once and keeps its answer for seven days. So a call may be
repeated whatever became of it, and nothing here ends Unknown: what may work later is Transient.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin

from vixen_pipeline.errors import Permanent, Transient
from vixen_pipeline.providers import http
from vixen_pipeline.providers.endpoints import ModalEndpoint, modal_endpoint
from vixen_pipeline.providers.failures import GONE, TIMEOUT, StatusError, Unreadable, edge
from vixen_pipeline.providers.inference_ports import (
    RUNNING,
    ImageInference,
    InferenceBatch,
    InferencePrompt,
    InferenceWeights,
)
from vixen_pipeline.providers.modal_answers import (
    PROVIDER,
    Answer,
    mapping,
    parse,
    read_batch,
    size_limit,
)
from vixen_pipeline.settings import Settings

if TYPE_CHECKING:
    import httpx

REPLY_S = 170.0
"""Modal holds a request for 150 s at most, then answers 303."""
LONGEST_S = 900.0
WEIGHTS_UNAVAILABLE = "weights_unavailable"
"""`code` of Transient: the weights' URL could not be read (any more)."""
_CHUNK = 1 << 18


class ModalInference:
    """The ImageInference port on Modal. Thread-safe; `concurrency` calls at a time."""

    def __init__(
        self,
        endpoint: ModalEndpoint,
        *,
        concurrency: int = 20,
        reply_s: float = REPLY_S,
        longest_s: float = LONGEST_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._longest_s = longest_s
        self._monotonic = monotonic
        self._client = http.Once(lambda: _client(endpoint, reply_s, concurrency))

    def generate(
        self, request_id: str, weights: InferenceWeights, prompts: Sequence[InferencePrompt]
    ) -> InferenceBatch:
        with edge(PROVIDER, repeatable=True):
            answer = self._run(_body(request_id, weights, prompts), size_limit(len(prompts)))
            batch, damaged = read_batch(answer, request_id, prompts, weights.sha256)
            if not damaged:
                return batch
            # Damaged on the way: what is paid for may lie there whole.
            again = self._read(request_id, len(prompts))
            if again is None:
                return batch
            return read_batch(again, request_id, prompts, weights.sha256)[0]

    def find(self, request_id: str, prompts: Sequence[InferencePrompt]) -> InferenceBatch | None:
        with edge(PROVIDER, repeatable=True):
            answer = self._read(request_id, len(prompts))
            return None if answer is None else read_batch(answer, request_id, prompts, None)[0]

    def _read(self, request_id: str, images: int) -> Answer | None:
        url = f"{self._endpoint.url}/results/{quote(request_id, safe='')}"
        reply = self._send("GET", url, None, size_limit(images))
        if reply.status_code == 202:
            raise Transient(PROVIDER, "the call still runs.", code=RUNNING)
        if reply.status_code == 404 and _code(reply) == "unknown_request":
            return None
        return _answer(reply)

    def _run(self, body: Mapping[str, object], limit: int) -> Answer:
        """POST, then follow each 303 as GET on the same origin until the run has ended."""
        url = f"{self._endpoint.url}/generate"
        until = self._monotonic() + self._longest_s
        reply = self._send("POST", url, body, limit)
        if reply.status_code != 303:
            return _answer(reply)
        while reply.status_code == 303:
            url = urljoin(url, reply.headers.get("location", ""))
            if http.origin(url) != http.origin(self._endpoint.url):
                raise Permanent(PROVIDER, "it redirects to another host.", code="foreign_redirect")
            if self._monotonic() > until:
                message = f"the run did not end within {self._longest_s:.0f} seconds."
                raise Transient(PROVIDER, message, code=TIMEOUT)
            reply = self._send("GET", url, None, limit)
        if reply.status_code in (404, 410):
            raise Transient(PROVIDER, "it does not know the run any more.", code=GONE)
        return _answer(reply)

    def _send(self, method: str, url: str, body: object, limit: int) -> httpx.Response:
        """The reply, read whole. Raises Unreadable for one that is larger than it can be."""
        import httpx

        with self._client().stream(method, url, json=body) as reply:
            parts = bytearray()
            for chunk in reply.iter_bytes(_CHUNK):
                parts += chunk
                if len(parts) > limit:
                    raise Unreadable(f"more than {limit:,} bytes")
        headers = {
            name: value
            for name, value in reply.headers.items()
            if name not in ("content-encoding", "content-length", "transfer-encoding")
        }
        return httpx.Response(reply.status_code, headers=headers, content=bytes(parts))


def _body(
    request_id: str, weights: InferenceWeights, prompts: Sequence[InferencePrompt]
) -> dict[str, object]:
    body: dict[str, object] = {
        "request_id": request_id,
        "weights_url": weights.url,
        "weights_sha256": weights.sha256,
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
    if weights.embeddings_url is not None:
        body["embeddings_url"] = weights.embeddings_url
        body["embeddings_sha256"] = weights.embeddings_sha256
        body["trigger_word"] = weights.trigger_word
    return body


def _answer(reply: httpx.Response) -> Answer:
    """The decoded answer. Raises what its status means."""
    if reply.status_code < 300:
        return parse(reply.content)
    code = _code(reply)
    if reply.status_code == 422 and code == WEIGHTS_UNAVAILABLE:
        # Most likely the presigned URL ran out while the call queued there: a fresh one helps.
        raise Transient(PROVIDER, "it could not read the weights' URL.", code=code)
    if reply.status_code == 409:
        message = "the request id was used for another request before."
        raise Permanent(PROVIDER, message, code=code)
    raise StatusError(reply.status_code, reply.headers, reply.content)


def _code(reply: httpx.Response) -> str | None:
    """The machine code of an error body, if it has one."""
    try:
        code = mapping(parse(reply.content).get("error")).get("code")
    except (ValueError, Unreadable):
        return None
    return code if isinstance(code, str) else None


def _client(endpoint: ModalEndpoint, reply_s: float, concurrency: int) -> httpx.Client:
    import httpx

    return httpx.Client(
        headers={"Modal-Key": endpoint.key, "Modal-Secret": endpoint.secret},
        timeout=http.timeout(reply_s),
        limits=http.limits(concurrency),
        trust_env=not http.is_loopback(endpoint.url),
    )


def build_image_inference(settings: Settings) -> ImageInference:
    """The inference endpoint of this instance. Raises SettingsMissing."""
    return ModalInference(modal_endpoint(settings), concurrency=settings.modal_concurrency)
