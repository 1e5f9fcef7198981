"""The safety checker. Belongs here: asking it about one image. Does not: an off switch.

The checker is the one that diffusers ships for Stable Diffusion (CompVis). What it flags, and what
it could not look at, is not given out: the pipeline's own moderation comes on top of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image


class Checker(Protocol):
    """Says whether an image may be given out."""

    def allows(self, image: Image) -> bool: ...


class ClipChecker:
    """The CompVis checker behind the protocol."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor

    def allows(self, image: Image) -> bool:
        import numpy as np
        import torch

        pixels = self._processor(images=image, return_tensors="pt").pixel_values
        weight = next(self._model.parameters())
        with torch.inference_mode():
            _, flagged = self._model(
                images=np.asarray(image, dtype=np.float32)[None] / 255.0,
                clip_input=pixels.to(device=weight.device, dtype=weight.dtype),
            )
        return not flagged[0]
