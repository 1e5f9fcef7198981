"""Embeddings in OpenAI's form: base64 of little-endian float32 by default, floats when asked.

Belongs here: reading inputs, encoding vectors. Does not: the vectors (text_vectors). Token-id
inputs are embedded by their ids, so equal ids give equal vectors.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any, cast

from vixen_pipeline.sandbox.openai_wire import ApiError
from vixen_pipeline.sandbox.text_fit import tokens
from vixen_pipeline.sandbox.text_vectors import embed

_NATIVE = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
_MOST_INPUTS = 2048
_MOST_TOKENS = 8192


def embeddings_object(body: Mapping[str, Any], model: str) -> dict[str, object]:
    """The object of POST /v1/embeddings. Raises ApiError 400."""
    texts = _texts(body.get("input"))
    native = _NATIVE[model]
    dimensions = body.get("dimensions") or native
    if not isinstance(dimensions, int) or not 1 <= dimensions <= native:
        message = f"Invalid value for 'dimensions': must be between 1 and {native}."
        raise ApiError(400, message, param="dimensions", code="invalid_value")
    encoding = body.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        raise ApiError(400, f"Invalid value: '{encoding}'.", param="encoding_format")
    used = 0
    data: list[dict[str, object]] = []
    for index, text in enumerate(texts):
        length = tokens(text)
        if length > _MOST_TOKENS:
            message = f"This model's maximum context length is {_MOST_TOKENS} tokens, got {length}."
            raise ApiError(400, message, param="input", code="context_length_exceeded")
        used += length
        vector = embed(text, dimensions)
        packed = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
        shown = packed if encoding == "base64" else vector
        data.append({"object": "embedding", "index": index, "embedding": shown})
    usage = {"prompt_tokens": used, "total_tokens": used}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def _texts(sent: Any) -> list[str]:
    if isinstance(sent, str):
        found = [sent]
    elif isinstance(sent, list) and sent and isinstance(sent[0], int):
        found = [" ".join(map(str, cast("list[int]", sent)))]
    elif isinstance(sent, list):
        items = cast("list[object]", sent)
        found = [
            item if isinstance(item, str) else " ".join(map(str, cast("list[int]", item)))
            for item in items
        ]
    else:
        found = []
    if not found or len(found) > _MOST_INPUTS or not all(found):
        message = f"'$.input' is invalid: 1 to {_MOST_INPUTS} texts, none of them empty."
        raise ApiError(400, message, param="input")
    return found
