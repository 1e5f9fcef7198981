"""A safetensors file, opened and recognised. Belongs here: header, rank, family, finite numbers.

Does not: tar archives (weights_archive.py), expectations about a training (weights_checks.py). The
header is parsed here rather than by a loader, so that each defect gets its own sentence.

Key names and shapes are those of the public SDXL trainer (attention-processor LoRA), of diffusers
and peft, and of the kohya scripts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from vixen_pipeline.errors import BadWeights

Family = Literal["sdxl", "sd15", "sd2", "flux", "unknown"]

MAX_HEADER = 25_000_000
_DTYPE_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
_DOWN = re.compile(r"(lora[._]down|lora_A)(\.default)?\.weight$")
_UP = re.compile(r"(lora[._]up|lora_B)(\.default)?\.weight$")
_CROSS = re.compile(r"attn2[._](processor\.)?to_[kv]")
_FLUX = re.compile(
    r"(double_blocks|single_blocks|single_transformer_blocks|transformer\.transformer_blocks)"
)
_CROSS_WIDTHS: dict[int, Family] = {2048: "sdxl", 768: "sd15", 1024: "sd2"}
EMBEDDING_WIDTHS = {"text_encoders_0": 768, "text_encoders_1": 1280}
"""The two text encoders of SDXL, as the trainer names them."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One entry of the header; `start` and `end` are offsets in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LoraFile:
    """What a LoRA file is. `rank` is None when its matrices disagree."""

    family: Family
    rank: int | None
    tensor_count: int
    layer_count: int


def read_header(path: Path) -> list[Tensor]:
    """All tensors of a safetensors file. Raises BadWeights that says in what way it is broken."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        _refuse_web_page(start + file.read(120))
        if size < 8:
            raise BadWeights(f"the weights file is truncated: {size} bytes")
        length = int.from_bytes(start, "little")
        if not 2 <= length <= MAX_HEADER:
            raise BadWeights("the weights file is not safetensors: its header length is absurd")
        if 8 + length > size:
            raise BadWeights("the weights file is truncated inside its header")
        file.seek(8)
        raw = file.read(length)
    try:
        header: object = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadWeights("the weights file is not safetensors: its header is not JSON") from error
    if not isinstance(header, dict):
        raise BadWeights("the weights file is not safetensors: its header is no object")
    tensors = list(_entries(cast("Mapping[str, object]", header), 8 + length))
    if not tensors:
        raise BadWeights("the weights file holds no tensors")
    needed = max(tensor.end for tensor in tensors)
    if needed > size:
        raise BadWeights(f"the weights file is truncated: {size} bytes of {needed}")
    if needed < size:
        raise BadWeights(f"the weights file has {size - needed} bytes too many")
    return tensors


def _refuse_web_page(start: bytes) -> None:
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise BadWeights("the weights file is a web page (HTML)")


def _entries(header: Mapping[str, object], offset: int) -> Iterator[Tensor]:
    for name, value in header.items():
        if name == "__metadata__":
            continue
        try:
            entry = cast("Mapping[str, object]", value)
            dtype = str(entry["dtype"])
            shape = tuple(int(side) for side in cast("list[int]", entry["shape"]))
            start, end = (int(at) for at in cast("list[int]", entry["data_offsets"]))
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise BadWeights(f"the weights file describes tensor {name!r} wrongly") from error
        count = 1
        for side in shape:
            count *= side
        width = _DTYPE_BYTES.get(dtype)
        if width is None or start < 0 or min(shape, default=0) < 0 or end - start != count * width:
            raise BadWeights(f"the weights file describes tensor {name!r} wrongly")
        yield Tensor(name, dtype, shape, offset + start, offset + end)


def inspect_lora(path: Path) -> LoraFile:
    """Open `path` as a LoRA. Raises BadWeights when it is none, or holds no usable numbers."""
    tensors = read_header(path)
    downs = [t for t in tensors if _DOWN.search(t.name) and len(t.shape) >= 2]
    ups = [t for t in tensors if _UP.search(t.name) and len(t.shape) >= 2]
    if not downs or len(downs) != len(ups):
        raise BadWeights(
            f"the weights file is no LoRA: {len(downs)} down and {len(ups)} up matrices "
            f"among {len(tensors)} tensors"
        )
    check_numbers(path, [*downs, *ups])
    ranks = {t.shape[0] for t in downs} | {t.shape[1] for t in ups}
    return LoraFile(
        family=family_of(downs),
        rank=ranks.pop() if len(ranks) == 1 else None,
        tensor_count=len(tensors),
        layer_count=len(downs),
    )


def family_of(downs: list[Tensor]) -> Family:
    """The model family a LoRA was made for: by block names, then by the width of the text.

    Cross-attention keys and values read the text encoder: 2048 wide in SDXL, 768 in SD 1.5.
    """
    if any(_FLUX.search(tensor.name) for tensor in downs):
        return "flux"
    widths = {tensor.shape[1] for tensor in downs if _CROSS.search(tensor.name)}
    return _CROSS_WIDTHS.get(widths.pop(), "unknown") if len(widths) == 1 else "unknown"


def inspect_embeddings(path: Path) -> int:
    """Open textual-inversion embeddings of SDXL; the number of trained tokens."""
    tensors = {tensor.name: tensor for tensor in read_header(path)}
    counts: set[int] = set()
    for name, width in EMBEDDING_WIDTHS.items():
        found = tensors.get(name)
        if found is None or len(found.shape) != 2 or found.shape[1] != width:
            raise BadWeights(f"the embeddings file has no {name} of width {width}")
        counts.add(found.shape[0])
    if len(counts) != 1 or 0 in counts:
        raise BadWeights("the embeddings file holds different numbers of tokens")
    check_numbers(path, list(tensors.values()))
    return counts.pop()


def check_numbers(path: Path, tensors: list[Tensor]) -> None:
    """Raises BadWeights for NaN or infinity anywhere, and when every matrix is zero."""
    import numpy as np

    layouts = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "BF16": "<u2"}
    content = np.memmap(path, dtype=np.uint8, mode="r")
    any_value = False
    for tensor in tensors:
        layout = layouts.get(tensor.dtype)
        if layout is None:
            raise BadWeights(f"the weights file holds {tensor.dtype} numbers in {tensor.name!r}")
        values = np.frombuffer(content[tensor.start : tensor.end].tobytes(), dtype=layout)
        if tensor.dtype == "BF16":  # NumPy has no bfloat16: all exponent bits set means not finite
            finite = bool(((values & 0x7F80) != 0x7F80).all())
        else:
            finite = bool(np.isfinite(values).all())
        if not finite:
            raise BadWeights(f"the weights file holds NaN or infinity in {tensor.name!r}")
        any_value = any_value or bool(values.any())
    if not any_value:
        raise BadWeights("the weights file holds only zeros: nothing was trained")
