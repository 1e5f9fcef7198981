"""What the inference function does: fetch the weights, check them, draw each prompt.

Belongs here: weights and pictures. Does not: HTTP, calls and their waiting (modal_api).
The same weights show the same person, unless a prompt says what the person looks like.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import tarfile
import tempfile
import time
from collections.abc import Sequence
from typing import IO, Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, model_validator

from vixen_pipeline.sandbox.drawing import Order, draw
from vixen_pipeline.sandbox.drawing_look import Look, look_from_prompt, stranger_to
from vixen_pipeline.sandbox.state import SandboxState

PROVIDER = "modal"
ROUTE = "POST /generate"
MAX_WEIGHTS = 2 * 1024**3
MOST_PROMPTS = 64
_IN_MEMORY = 32 * 1024**2
_MOST_HEADER = 100_000_000
_KINDS = ("stranger", "duplicate", "blurry", "nsfw")
_LOOKS = re.compile(r"\b(hair|eyes|eyed|skin|complexion)\b", re.IGNORECASE)


class Prompt(BaseModel):
    """One picture: `id` ties the answer to it. Pixels are multiples of 8."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=128)
    prompt: str = Field(min_length=1, max_length=4000)
    negative_prompt: str = ""
    seed: int = Field(ge=0, lt=2**63)
    width: int = Field(1024, ge=256, le=1536, multiple_of=8)
    height: int = Field(1024, ge=256, le=1536, multiple_of=8)


class Generate(BaseModel):
    """The body of POST /generate."""

    model_config = ConfigDict(extra="forbid")

    weights_url: str = Field(pattern=r"^https?://")
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    prompts: list[Prompt] = Field(min_length=1, max_length=MOST_PROMPTS)
    steps: int = Field(30, ge=1, le=100)
    guidance: float = Field(6.0, ge=0, le=30)
    lora_scale: float = Field(0.8, ge=0, le=2)
    format: Literal["jpg", "png", "webp"] = "jpg"

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Generate:
        ids = [prompt.id for prompt in self.prompts]
        if len(set(ids)) != len(ids):
            raise ValueError("prompt ids must be unique within a call")
        return self


class WeightsError(Exception):
    """The weights cannot be used; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


async def check_weights(state: SandboxState, body: Generate) -> None:
    """Download the weights, compare their SHA-256, look into them. Raises WeightsError."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        digest = await _download(state, body.weights_url, file)
        if digest != body.weights_sha256:
            message = f"expected SHA-256 {body.weights_sha256}, got {digest}"
            raise WeightsError("weights_mismatch", message)
        if not await asyncio.to_thread(_is_lora, file):
            message = "the file is neither safetensors nor a tar that holds lora.safetensors"
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
        found = [kind for kind in (*_KINDS, "corrupt", "missing") if _take(state, kind)]
        kinds.append(found[0] if found else "portrait")
    return kinds


def _take(state: SandboxState, kind: str) -> bool:
    return state.faults.take(PROVIDER, kind, ROUTE) is not None


async def generate(state: SandboxState, body: Generate, kinds: Sequence[str]) -> dict[str, Any]:
    """The answer of a call. The same body and kinds give the same pictures."""
    began = time.monotonic()
    images: dict[str, Any] = {}
    failed: dict[str, str] = {}
    first = body.prompts[0]
    for prompt, kind in zip(body.prompts, kinds, strict=True):
        if kind == "missing":
            failed[prompt.id] = "CUDA out of memory"
            continue
        shown = first if kind == "duplicate" else prompt
        order = _order(body, shown, kind, mark=prompt.id)
        loop = asyncio.get_running_loop()
        content = await loop.run_in_executor(state.painters, draw, order)
        sha256 = hashlib.sha256(content).hexdigest()
        await state.record_drawn(sha256, order.look.as_json(), order.kind)
        sent = content[: len(content) // 2] if kind == "corrupt" else content
        images[prompt.id] = {
            "image": base64.b64encode(sent).decode(),
            "content_type": {"jpg": "image/jpeg"}.get(body.format, f"image/{body.format}"),
            "sha256": sha256,
            "seed": prompt.seed,
            "width": prompt.width,
            "height": prompt.height,
        }
    return {
        "images": images,
        "failed": failed,
        "model": "sdxl-base-1.0",
        "weights_sha256": body.weights_sha256,
        "gpu": "L40S",
        "seconds": round(time.monotonic() - began, 3),
    }


def _order(body: Generate, prompt: Prompt, kind: str, *, mark: str) -> Order:
    look = _look(body.weights_sha256, prompt.prompt)
    painted = "portrait" if kind == "corrupt" else kind
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
