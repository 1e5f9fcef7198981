"""What an SDXL LoRA trainer puts out: a tar with LoRA, token embeddings and the token's name.

Belongs here: real bytes, small but shaped like the real ones. Does not: HTTP, what a LoRA has
learnt (lora_learnt.py; it travels in the metadata, so that inference shows the right person).
Names follow the public trainer: attention processors of the U-Net by layer, `text_encoders_0`
(768 wide) and `text_encoders_1` (1280 wide) for the new tokens, a JSON object from token string
to tokens.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from functools import lru_cache
from typing import TYPE_CHECKING

from vixen_pipeline.sandbox.lora_learnt import Learnt, as_metadata

if TYPE_CHECKING:
    import numpy as np

TOKENS = "<s0><s1>"
_CROSS_WIDTH = 2048  # SDXL's text context
_SD15_CROSS_WIDTH = 768
_PARTS = ("to_q_lora", "to_k_lora", "to_v_lora", "to_out_lora")


@lru_cache(maxsize=8)
def archive(
    *,
    seed: str,
    rank: int,
    token: str,
    kind: str,
    learnt: Learnt | None = None,
    checkpoints: int = 0,
    steps: int = 1000,
) -> bytes:
    """The tar of one training. `kind`: good, truncated (inner file cut), wrong_family, or how the
    training went wrong: stranger, same, memorised (of the final weights only, not of checkpoints).

    Checkpoints lie at even steps before the end, named as the public trainer names them.
    """
    final = None if learnt is None else learnt.spoiled(kind)
    lora = _lora(seed, rank, final, wrong=kind == "wrong_family")
    if kind == "truncated":
        lora = lora[: len(lora) * 2 // 3]
    members = {
        "lora.safetensors": lora,
        "embeddings.pti": _embeddings(seed),
        "special_params.json": json.dumps({token: TOKENS}).encode(),
    }
    for number in range(1, checkpoints + 1):
        share = number / (checkpoints + 1)
        then = None if learnt is None else learnt.after(share)
        name = f"checkpoint-{round(steps * share)}"
        members[f"unet/{name}.lora.safetensors"] = _lora(f"{seed}:{name}", rank, then, wrong=False)
        members[f"embeddings/{name}.pti"] = _embeddings(f"{seed}:{name}")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _modules(wrong: bool) -> list[tuple[str, int, tuple[str, ...]]]:
    """(attention module, hidden width, parts): a few of the real ones, under 2 MB at rank 32."""
    block = "attentions.0.transformer_blocks.0"
    first = "down_blocks.0" if wrong else "down_blocks.1"  # SDXL has no attention in its first
    width = 320 if wrong else 640
    return [
        (f"{first}.{block}.attn1", width, _PARTS),
        (f"{first}.{block}.attn2", width, _PARTS),
        (f"mid_block.{block}.attn2", 1280, ("to_k_lora", "to_v_lora")),
    ]


def _lora(seed: str, rank: int, learnt: Learnt | None, *, wrong: bool) -> bytes:
    import numpy as np

    tensors: dict[str, np.ndarray] = {}
    random = _generator(seed)
    cross = _SD15_CROSS_WIDTH if wrong else _CROSS_WIDTH
    for module, width, parts in _modules(wrong):
        for part in parts:
            reads_text = module.endswith("attn2") and part in ("to_k_lora", "to_v_lora")
            base = f"{module}.processor.{part}"
            shapes = {"down": (rank, cross if reads_text else width), "up": (width, rank)}
            for side, shape in shapes.items():
                values = random.standard_normal(shape, dtype=np.float32) / 50
                tensors[f"{base}.{side}.weight"] = values.astype(np.float16)
    return _save(tensors, as_metadata(learnt))


def _embeddings(seed: str) -> bytes:
    import numpy as np

    random = _generator(f"{seed}:embeddings")
    widths = {"text_encoders_0": 768, "text_encoders_1": 1280}
    return _save(
        {name: random.standard_normal((2, w), dtype=np.float32) / 70 for name, w in widths.items()}
    )


def _generator(seed: str) -> np.random.Generator:
    import numpy as np

    return np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))


def _save(tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> bytes:
    from safetensors.numpy import save

    return save(tensors, metadata)
