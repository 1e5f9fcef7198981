"""One call: weights in, every prompt drawn, weights out. Belongs here: that, and its failures.

Does not: HTTP, who may ask, whether it was asked before (calls.py). Prompts are drawn one after
another from their own seeds, so an image does not depend on what else was in the call, and one that
fails is named in `failed` without touching the others.
"""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from vixen_inference.adapters import adapted, with_tokens
from vixen_inference.model import Model
from vixen_inference.safety import Checker
from vixen_inference.weights import WeightsCache
from vixen_inference.wire import Generate, Prompt

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

FLAGGED = "safety checker"
NOT_CHECKED = "the safety checker could not look at it"
_CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_SAVE: dict[str, dict[str, Any]] = {
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "png": {"format": "PNG"},
    "webp": {"format": "WEBP", "quality": 95},
}


class Studio:
    """A loaded pipeline that draws calls, one at a time."""

    def __init__(
        self,
        pipeline: Any,
        checker: Checker,
        cache: WeightsCache,
        model: Model,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self._pipeline = pipeline
        self._checker = checker
        self._cache = cache
        self._monotonic = monotonic
        self._lock = threading.Lock()

    def render(self, body: Generate) -> dict[str, Any]:
        """The answer to `body`. Raises Refused when its weights cannot be used."""
        with self._lock, ExitStack() as stack:
            began = self._monotonic()
            lora = stack.enter_context(self._cache.file(body.weights_url, body.weights_sha256))
            embeddings = None
            if body.embeddings_url is not None and body.embeddings_sha256 is not None:
                held = self._cache.file(body.embeddings_url, body.embeddings_sha256)
                embeddings = stack.enter_context(held)
            tokens = stack.enter_context(adapted(self._pipeline, lora, embeddings))
            images: dict[str, Any] = {}
            failed: dict[str, str] = {}
            for prompt in body.prompts:
                self._draw_into(images, failed, body, prompt, tokens)
            return {
                "request_id": body.request_id,
                "images": images,
                "failed": failed,
                "model": self.model.name,
                "model_digest": self.model.digest,
                "weights_sha256": body.weights_sha256,
                "gpu": self.model.gpu,
                "seconds": round(self._monotonic() - began, 3),
            }

    def _draw_into(
        self,
        images: dict[str, Any],
        failed: dict[str, str],
        body: Generate,
        prompt: Prompt,
        tokens: int,
    ) -> None:
        """Draw one prompt into `images`, or its reason into `failed`."""
        try:
            image = self._draw(body, prompt, tokens)
        except (RuntimeError, ValueError, MemoryError) as error:
            # What torch raises for one image (out of memory among it) is no reason to lose others.
            log.warning("image failed: %s", type(error).__name__)
            self._give_memory_back()
            failed[prompt.id] = _reason(error)
            return
        try:
            allowed = self._checker.allows(image)
        except (RuntimeError, ValueError, MemoryError) as error:
            log.warning("safety checker failed: %s", type(error).__name__)
            failed[prompt.id] = NOT_CHECKED
            return
        if allowed:
            images[prompt.id] = _encoded(image, prompt, body.format)
        else:
            failed[prompt.id] = FLAGGED

    def _draw(self, body: Generate, prompt: Prompt, tokens: int) -> Image:
        import torch

        # Noise is drawn on the CPU: the same seed gives the same picture on every GPU.
        generator = torch.Generator("cpu").manual_seed(prompt.seed)
        with torch.inference_mode():
            result = self._pipeline(
                prompt=with_tokens(prompt.prompt, body.trigger_word, tokens),
                negative_prompt=prompt.negative_prompt,
                width=prompt.width,
                height=prompt.height,
                num_inference_steps=body.steps,
                guidance_scale=body.guidance,
                generator=generator,
                cross_attention_kwargs={"scale": body.lora_scale},
            )
        return result.images[0]

    def _give_memory_back(self) -> None:
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _reason(error: BaseException) -> str:
    """One line for people; what torch says about memory is long and about addresses."""
    if "out of memory" in str(error).lower() or isinstance(error, MemoryError):
        return "out of memory"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _encoded(image: Image, prompt: Prompt, format: str) -> dict[str, Any]:
    out = io.BytesIO()
    image.save(out, **_SAVE[format])
    data = out.getvalue()
    return {
        "image": base64.b64encode(data).decode(),
        "content_type": _CONTENT_TYPES[format],
        "sha256": hashlib.sha256(data).hexdigest(),
        "seed": prompt.seed,
        "width": image.width,
        "height": image.height,
    }
