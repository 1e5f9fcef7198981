"""Prompt-cache accounting as Anthropic bills it: written on first sight, read afterwards.

Belongs here: block boundaries, digests, the table of cached prefixes. Does not: any caching of
answers. Differences from the service: no least prefix size (there 1,024 tokens or more), and an
entry ends by sandbox time (5 minutes or 1 hour after its last use).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Column, Connection, DateTime, Integer, Table, Text, select
from sqlalchemy.dialects.postgresql import insert

from vixen_pipeline.sandbox.anthropic_wire import MessagesBody
from vixen_pipeline.sandbox.state import metadata
from vixen_pipeline.sandbox.text_fit import tokens

_LIFE = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1)}
_LOOK_BACK = 20

cached_prefixes = Table(
    "anthropic_cached_prefixes",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("tokens", Integer, nullable=False),
    Column("ttl", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Boundary:
    """The prompt up to and including one block: its digest, its size, its breakpoint if any."""

    digest: str
    tokens: int
    ttl: str | None


@dataclass(frozen=True, slots=True)
class InputTokens:
    """Input by how it is billed; their sum is the whole prompt."""

    plain: int
    read: int
    written_5m: int = 0
    written_1h: int = 0


def boundaries(body: MessagesBody) -> list[Boundary]:
    """Every block boundary of a prompt in the order tools, system, messages."""
    blocks: list[Mapping[str, object]] = [*body.tools]
    if isinstance(body.system, str):
        blocks.append({"type": "text", "text": body.system})
    else:
        blocks += body.system or []
    for message in body.messages:
        blocks += _message_blocks(message)
    if body.cache_control and blocks:
        blocks[-1] = {**blocks[-1], "cache_control": body.cache_control}
    found: list[Boundary] = []
    running, total = hashlib.sha256(body.model.encode()), 0
    for block in blocks:
        control = cast("Mapping[str, Any] | None", block.get("cache_control"))
        plain = {key: value for key, value in block.items() if key != "cache_control"}
        running.update(json.dumps(plain, sort_keys=True).encode())
        total += tokens(block_text(plain))
        ttl = None if control is None else str(control.get("ttl") or "5m")
        found.append(Boundary(running.hexdigest(), total, ttl))
    return found


def _message_blocks(message: Mapping[str, Any]) -> list[Mapping[str, object]]:
    content = message.get("content")
    role = message.get("role")
    if isinstance(content, list):
        blocks = cast("list[Mapping[str, object]]", content)
        return [{**block, "role": role} for block in blocks]
    return [{"type": "text", "text": str(content), "role": role}]


def block_text(block: Mapping[str, object]) -> str:
    """What of a block counts as tokens: its text, else its JSON."""
    if block.get("type") == "text":
        return str(block.get("text"))
    return json.dumps({key: value for key, value in block.items() if key != "role"})


def account(
    connection: Connection, found: Sequence[Boundary], now: datetime, *, remember: bool = True
) -> InputTokens:
    """Split the prompt's tokens by billing and remember its breakpoints (unless told not to)."""
    total = found[-1].tokens if found else 0
    marks = [index for index, boundary in enumerate(found) if boundary.ttl]
    if not marks:
        return InputTokens(total, 0)
    last = marks[-1]
    window = found[max(0, last - _LOOK_BACK) : last + 1]
    query = select(cached_prefixes.c.digest).where(
        cached_prefixes.c.digest.in_([boundary.digest for boundary in window]),
        cached_prefixes.c.expires_at > now,
    )
    known = set(connection.execute(query).scalars())
    read = max((b.tokens for b in window if b.digest in known), default=0)
    written = {"5m": 0, "1h": 0}
    reached = read
    for index in marks:
        boundary = found[index]
        ttl = boundary.ttl if boundary.ttl in written else "5m"
        written[ttl] += max(0, boundary.tokens - reached)
        reached = max(reached, boundary.tokens)
    if remember:
        _remember(connection, [found[index] for index in marks], now)
    return InputTokens(total - found[last].tokens, read, written["5m"], written["1h"])


def _remember(connection: Connection, marks: Sequence[Boundary], now: datetime) -> None:
    rows = {
        mark.digest: {
            "digest": mark.digest,
            "tokens": mark.tokens,
            "ttl": mark.ttl,
            "expires_at": now + _LIFE.get(mark.ttl or "5m", _LIFE["5m"]),
        }
        for mark in marks
    }
    statement = insert(cached_prefixes).values([rows[digest] for digest in sorted(rows)])
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["digest"], set_={"expires_at": statement.excluded.expires_at}
        )
    )
