"""Weights as a trainer returns them, small: for tests of fetching and opening. Not: assertions."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

BLOCK = "down_blocks.1.attentions.0.transformer_blocks.0"


def lora_tensors(
    *, rank: int = 8, cross: int = 2048, hidden: int = 640, fill: float = 0.01
) -> dict[str, Any]:
    """Attention-processor LoRA of one block, as the SDXL trainer names it."""
    import numpy as np

    tensors: dict[str, Any] = {}
    for attention, width in (("attn1", hidden), ("attn2", cross)):
        for part in ("to_q", "to_k", "to_v", "to_out"):
            into = width if part in ("to_k", "to_v") else hidden
            name = f"{BLOCK}.{attention}.processor.{part}_lora"
            tensors[f"{name}.down.weight"] = np.full((rank, into), fill, np.float32)
            tensors[f"{name}.up.weight"] = np.full((hidden, rank), fill, np.float32)
    return tensors


def lora_bytes(**shape: Any) -> bytes:
    from safetensors.numpy import save

    return save(lora_tensors(**shape))


def weights_tar(lora: bytes | None = None, *, embeddings: bool = True) -> bytes:
    """The trainer's tar; `lora` None is a good one of rank 32."""
    import numpy as np
    from safetensors.numpy import save

    members = {"lora.safetensors": lora_bytes(rank=32) if lora is None else lora}
    if embeddings:
        tokens = {"text_encoders_0": 768, "text_encoders_1": 1280}
        members["embeddings.pti"] = save(
            {name: np.full((2, width), 0.1, np.float32) for name, width in tokens.items()}
        )
    members["special_params.json"] = json.dumps({"TOK": "<s0><s1>"}).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()
