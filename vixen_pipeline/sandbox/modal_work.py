"""What the inference function does: fetch the weights, check them, draw each prompt.

Belongs here: weights and pictures. Does not: HTTP, calls and their waiting (modal_api, modal_runs).
Weights trained here show the person they were trained on (lora_learnt). Other weights show a
person of their own, unless a prompt says what the person looks like.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

import httpx
from sqlalchemy.dialects.postgresql import insert

from vixen_pipeline.sandbox.drawing import Order, draw
from vixen_pipeline.sandbox.drawing_look import Look, look_from_prompt, stranger_to
from vixen_pipeline.sandbox.drawing_pool import PreDrawn
from vixen_pipeline.sandbox.lora_learnt import Learnt, recall, remember
from vixen_pipeline.sandbox.modal_odd import odd
from vixen_pipeline.sandbox.modal_wire import (
    GPU,
    IMAGE_SECONDS,
    MODEL,
    MODEL_DIGEST,
    Generate,
    Prompt,
)
from vixen_pipeline.sandbox.state import SandboxState, drawn_images

PROVIDER = "modal"
ROUTE = "POST /generate"
MAX_WEIGHTS = 2 * 1024**3
_IN_MEMORY = 32 * 1024**2
_MOST_HEADER = 100_000_000
_PAINTED = ("stranger", "duplicate", "blurry", "nsfw")
_ODD = ("black", "gif", "tiny", "bomb", "truncated")
_SENT = ("corrupt", "stranger_id", "doubled")  # a good picture, sent wrongly
_REASONS = {"missing": "CUDA out of memory", "flagged": "safety checker"}
_KINDS = (*_PAINTED, *_ODD, *_SENT, *_REASONS)
_LOOKS = re.compile(r"\b(hair|eyes|eyed|skin|complexion)\b", re.IGNORECASE)


class WeightsError(Exception):
    """The weights cannot be used; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


async def check_weights(state: SandboxState, body: Generate) -> None:
    """Download weights and embeddings, compare digests, look into them. Raises WeightsError."""
    await _check_embeddings(state, body)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        digest = await _download(state, body.weights_url, file)
        if digest != body.weights_sha256:
            message = f"expected SHA-256 {body.weights_sha256}, got {digest}"
            raise WeightsError("weights_mismatch", message)
        if not await asyncio.to_thread(_is_lora, file):
            message = "the file is neither safetensors nor a tar that holds lora.safetensors"
            raise WeightsError("weights_not_a_lora", message)
        await remember(state, digest, file)


async def _check_embeddings(state: SandboxState, body: Generate) -> None:
    if body.embeddings_url is None:
        return
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        digest = await _download(state, body.embeddings_url, file)
        if digest != body.embeddings_sha256:
            message = f"expected SHA-256 {body.embeddings_sha256} of embeddings, got {digest}"
            raise WeightsError("weights_mismatch", message)
        if not await asyncio.to_thread(_is_safetensors, file):
            message = "the embeddings are no safetensors file"
            raise WeightsError("weights_not_a_lora", message)


async def _download(state: SandboxState, url: str, file: IO[bytes]) -> str:
    """Stream the URL into `file`; its SHA-256 in hex. Raises WeightsError."""
    digest, size = hashlib.sha256(), 0
    try:
        async with state.http.stream("GET", url) as answer:
            if answer.status_code != 200:
                message = f"the weights URL answered {answer.status_code}"
                raise WeightsError("weights_unavailable", message)
            async for piece in answer.aiter_bytes():
                size += len(piece)
                if size > MAX_WEIGHTS:
                    raise WeightsError("weights_too_large", f"more than {MAX_WEIGHTS} bytes")
                digest.update(piece)
                file.write(piece)
    except httpx.HTTPError as error:
        message = f"the weights URL cannot be read: {type(error).__name__}"
        raise WeightsError("weights_unavailable", message) from error
    return digest.hexdigest()


def _is_lora(file: IO[bytes]) -> bool:
    if _is_safetensors(file):
        return True
    file.seek(0)
    try:
        with tarfile.open(fileobj=file) as tar:
            members = [name for name in tar.getnames() if name.endswith("lora.safetensors")]
            found = tar.extractfile(members[0]) if members else None
            return found is not None and _is_safetensors(found)
    except tarfile.TarError:
        return False


def _is_safetensors(file: IO[bytes]) -> bool:
    """Whether a file starts with a safetensors header that is whole."""
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= _MOST_HEADER:
        return False
    try:
        header: Any = json.loads(file.read(length))
    except ValueError:
        return False
    return isinstance(header, dict)


def take_kinds(state: SandboxState, count: int) -> list[str]:
    """What each picture of a call will be: portrait, or what a fault ordered."""
    kinds: list[str] = []
    for _ in range(count):
        found = next((kind for kind in _KINDS if _take(state, kind)), "portrait")
        kinds.append(found)
    return kinds


def _take(state: SandboxState, kind: str) -> bool:
    return state.faults.take(PROVIDER, kind, ROUTE) is not None


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture as it is sent; `look` and `kind` are what moderation will know of it."""

    content: bytes
    look: Look
    kind: str


class Studio:
    """Draws calls. Beside the pool it keeps nothing: the same call gives the same pictures."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._pool = PreDrawn()

    def turns(self, body: Generate) -> list[int]:
        """Which pictures of the pool this call gets, so that one person gets each only once."""
        return self._pool.turns(body.weights_sha256, len(body.prompts))

    def forget(self) -> None:
        self._pool.forget()

    async def generate(
        self, body: Generate, kinds: Sequence[str], turns: Sequence[int]
    ) -> list[tuple[str, dict[str, Any] | str]]:
        """(id, picture or the reason why there is none), in the order of the answer."""
        loop = asyncio.get_running_loop()
        learnt = await recall(self._state, body.weights_sha256)
        found: list[tuple[str, dict[str, Any] | str]] = []
        known: list[dict[str, Any]] = []
        for prompt, kind, turn in zip(body.prompts, kinds, turns, strict=True):
            if kind in _REASONS:
                found.append((prompt.id, _REASONS[kind]))
                continue
            shown = body.prompts[0] if kind == "duplicate" else prompt
            order = _order(body, shown, kind, learnt, mark=prompt.id)
            pictures = [(prompt.id, order)]
            if kind in ("stranger_id", "doubled"):
                other = replace(order, look=stranger_to(order.look, prompt.seed), mark="other")
                name = prompt.id if kind == "doubled" else f"{prompt.id}-stranger"
                pictures.append((name, other))
            for name, one in pictures:
                person = body.weights_sha256
                drawn = await loop.run_in_executor(
                    self._state.painters, self._draw, one, kind, person, turn, learnt
                )
                sha256 = hashlib.sha256(drawn.content).hexdigest()
                known.append({"sha256": sha256, "look": drawn.look.as_json(), "kind": drawn.kind})
                found.append((name, _picture(body, prompt, drawn.content, sha256, kind)))
        await self._remember(known)
        return found

    def _draw(
        self, order: Order, kind: str, person: str, turn: int, learnt: Learnt | None
    ) -> Drawn:
        pool = self._state.controls.predrawn
        if kind == "portrait" and pool:
            mark = f"{person[:16]} {order.mark}"
            content, look = self._pool.deal(order, turn, person, mark, pool)
            return Drawn(content, look, order.kind)
        if kind in _ODD:
            good = draw(order) if kind == "truncated" else b""
            content = odd(kind, good, order.width, order.height, order.mark)
            return Drawn(content, order.look, order.kind)
        if learnt is not None and kind == "portrait":
            return Drawn(learnt.paint(order), order.look, order.kind)
        return Drawn(draw(order), order.look, order.kind)

    async def _remember(self, known: list[dict[str, Any]]) -> None:
        """As SandboxState.record_drawn, for all pictures of a call at once."""
        if known:
            statement = insert(drawn_images).values(known).on_conflict_do_nothing()
            await self._state.run(lambda c: c.execute(statement) and None)


def _picture(
    body: Generate, prompt: Prompt, content: bytes, sha256: str, kind: str
) -> dict[str, Any]:
    sent = content[: len(content) // 2] if kind == "corrupt" else content
    return {
        "image": base64.b64encode(sent).decode(),
        "content_type": {"jpg": "image/jpeg"}.get(body.format, f"image/{body.format}"),
        "sha256": sha256,
        "seed": prompt.seed,
        "width": prompt.width,
        "height": prompt.height,
    }


def answer_json(body: Generate, found: Sequence[tuple[str, dict[str, Any] | str]]) -> str:
    """The answer as JSON text. Written by hand, because a fault may send one id twice."""
    images = ", ".join(
        f"{json.dumps(name)}: {json.dumps(one)}" for name, one in found if isinstance(one, dict)
    )
    rest = {
        "request_id": body.request_id,
        "failed": {name: one for name, one in found if isinstance(one, str)},
        "model": MODEL,
        "model_digest": MODEL_DIGEST,
        "weights_sha256": body.weights_sha256,
        "gpu": GPU,
        "seconds": IMAGE_SECONDS * len(body.prompts),
    }
    return f'{{"images": {{{images}}}, {json.dumps(rest)[1:]}'


def _order(body: Generate, prompt: Prompt, kind: str, learnt: Learnt | None, *, mark: str) -> Order:
    look = _look(body.weights_sha256, prompt.prompt) if learnt is None else learnt.look
    painted = kind if kind in _PAINTED else "portrait"
    return Order(
        prompt=prompt.prompt,
        seed=prompt.seed,
        width=prompt.width,
        height=prompt.height,
        look=stranger_to(look, prompt.seed) if kind == "stranger" else look,
        format=body.format,
        kind=painted,
        mark=mark,
    )


def _look(weights_sha256: str, prompt: str) -> Look:
    if _LOOKS.search(prompt):
        return look_from_prompt(prompt)
    return look_from_prompt(f"{weights_sha256} hair, {weights_sha256[::-1]} eyes")
