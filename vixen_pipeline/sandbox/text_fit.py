"""Text of the asked length, pattern or format, and what counts as a token.

Belongs here: everything about the shape of one string. Does not: its meaning (text_fields).
Lengths are in characters as JSON Schema counts them (code points).
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from vixen_pipeline.sandbox.text_pattern import PatternUnsupported, sampler

_TOKEN = re.compile(r"\s*[^\W_]{1,6}|\s*[\W_]|\s+")
_STRETCHES = (2, 0, 1, 4, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512)


class CannotFit(ValueError):
    """No string that fits could be found; the message names the constraint."""


def tokens(text: str) -> int:
    """How many tokens the sandbox bills for `text`: about four characters each, at least 1."""
    return max(1, sum(1 for _ in _TOKEN.finditer(text)))


def first_tokens(text: str, count: int) -> str:
    """The beginning of `text` that is `count` tokens long."""
    pieces: list[str] = []
    for found in _TOKEN.finditer(text):
        if len(pieces) >= count:
            break
        pieces.append(found.group())
    return "".join(pieces)


def fit_length(
    text: str, least: int, most: int | None, more: Callable[[int], str], *, word: bool = False
) -> str:
    """Lengthen `text` by sentences from `more`, or shorten it at a sentence or word.

    `word` is for names and tags, which grow by letters, not by sentences. Always fits:
    least <= len(result) <= most.
    """
    index = 0
    while len(text) < least and index < 500:
        text = text + "ae"[index % 2] if word else f"{text} {more(index)}".strip()
        index += 1
    text = text.ljust(least, ".")
    if most is None or len(text) <= most:
        return text
    return _shorten(text, least, most)


def _shorten(text: str, least: int, most: int) -> str:
    cut = text[:most]
    for ending in (r"(?s)^(.*[.!?])(?:\s|$)", r"(?s)^(.*?[^\s,;:])[\s,;:]+\S*$"):
        found = re.match(ending, cut)
        if found and len(found.group(1)) >= max(least, min(most // 2, 40)):
            return found.group(1)
    bare = cut.rstrip(" ,;:")
    return bare if len(bare) >= least and bare else cut.replace(" ", "_") if least else cut.strip()


def fit_pattern(
    pattern: str, candidates: Iterator[str], least: int, most: int | None, dice: random.Random
) -> str:
    """A string in which `pattern` is found: a meaningful candidate if one fits, else a sample."""
    try:
        matches = re.compile(pattern)
    except re.error as error:
        raise CannotFit(f"pattern {pattern!r} is not understood: {error}") from error

    def fits(text: str) -> bool:
        return (
            matches.search(text) is not None
            and len(text) >= least
            and (most is None or len(text) <= most)
        )

    for candidate in candidates:
        for variant in (candidate, candidate.lower(), slug(candidate), slug(candidate, "_")):
            if fits(variant):
                return variant
    try:
        sample = sampler(pattern)
    except PatternUnsupported as error:
        raise CannotFit(str(error)) from error
    for stretch in _STRETCHES:
        for _ in range(6):
            text = sample(dice, stretch)
            if fits(text):
                return text
            if len(text) < least and fits(padded := text + "a" * (least - len(text))):
                return padded
    raise CannotFit(f"no string of {least} to {most} characters found for pattern {pattern!r}")


def slug(text: str, joint: str = "-") -> str:
    """`Trail running` → `trail-running`, ASCII only."""
    return re.sub(r"[^a-z0-9]+", joint, text.lower()).strip(joint)


def of_format(name: str, text: str, dice: random.Random) -> str | None:
    """A string of a JSON Schema format; None when the format says nothing to us."""
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(31_000_000))
    word = slug(text)[:24].strip("-") or "vixen"
    makers: dict[str, Callable[[], str]] = {
        "date-time": lambda: moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "date": lambda: moment.strftime("%Y-%m-%d"),
        "time": lambda: moment.strftime("%H:%M:%SZ"),
        "duration": lambda: f"PT{dice.randint(1, 90)}M",
        "email": lambda: f"{word}@example.com",
        "hostname": lambda: f"{word}.example.com",
        "uri": lambda: f"https://example.com/{word}",
        "url": lambda: f"https://example.com/{word}",
        "ipv4": lambda: f"192.0.2.{dice.randint(1, 254)}",
        "ipv6": lambda: f"2001:db8::{dice.randint(1, 65535):x}",
        "uuid": lambda: str(uuid.UUID(int=dice.getrandbits(128), version=4)),
    }
    return makers[name]() if name in makers else None
