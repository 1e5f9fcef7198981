"""A finished Message told as server-sent events. Belongs here: the event forms. Does not: content.

The sandbox writes the whole answer first and then streams it in pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

_PIECE = 40


def events(message: Mapping[str, object]) -> Iterator[str]:
    """The SSE text of one message, event by event."""
    usage = cast(Mapping[str, object], message["usage"])
    nothing: list[object] = []
    opening = {
        **message,
        "content": nothing,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": {**usage, "output_tokens": 1},
    }
    yield _event("message_start", {"message": opening})
    yield _event("ping", {})
    for index, block in enumerate(cast(Sequence[Mapping[str, object]], message["content"])):
        yield from _block(index, block)
    names = ("stop_reason", "stop_sequence", "stop_details", "container")
    delta = {name: message[name] for name in names}
    yield _event("message_delta", {"delta": delta, "usage": usage})
    yield _event("message_stop", {})


def _block(index: int, block: Mapping[str, object]) -> Iterator[str]:
    empty: dict[str, object] = {}
    if block["type"] == "tool_use":
        opening, text = {**block, "input": empty}, json.dumps(block["input"])
        kind, field = "input_json_delta", "partial_json"
    else:
        opening, text = {**block, "text": ""}, str(block["text"])
        kind, field = "text_delta", "text"
    yield _event("content_block_start", {"index": index, "content_block": opening})
    for start in range(0, len(text), _PIECE):
        piece = {"type": kind, field: text[start : start + _PIECE]}
        yield _event("content_block_delta", {"index": index, "delta": piece})
    yield _event("content_block_stop", {"index": index})


def _event(name: str, fields: Mapping[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n"
