"""The sandbox's copywriter: words for pieces, when a prompt gives pieces and the schema wants them.

Belongs here: recognising such a call, reading its pieces, filling the tables. Does not: the tables
(text_copy_words, _more, _far), other schemas (text_schema). A call is recognised by its schema,
"pieces" of {number, platforms of {platform, variants}}, and by a JSON list of pieces in the prompt.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import cast

from vixen_pipeline.sandbox.text_copy_far import FAR, TELEGRAM
from vixen_pipeline.sandbox.text_copy_more import MORE
from vixen_pipeline.sandbox.text_copy_words import BANKS, Bank
from vixen_pipeline.sandbox.text_fields import Writer, upper_first
from vixen_pipeline.sandbox.text_prompt import read_brief

_PIECES = re.compile(r"<pieces>\s*(\[.*?\])\s*</pieces>", re.DOTALL)
_LOCALE = re.compile(r"^Locale: ([A-Za-z]{2,3})", re.MULTILINE)
_VARIANTS = re.compile(r"^Variants[^:\n]*: (\d+)", re.MULTILINE)
_NOTHING_TO_TAG = frozenset(
    ("a", "an", "the", "of", "in", "at", "on", "with", "by", "and", "to", "for")
)

Piece = Mapping[str, object]


def write_copy(prompt: str, schema: Mapping[str, object]) -> object | None:
    """The words that the prompt asks for; None when it is no such call."""
    properties = cast("Mapping[str, object]", schema.get("properties") or {})
    found = _PIECES.search(prompt)
    if set(properties) != {"pieces"} or found is None:
        return None
    try:
        pieces = cast("list[Piece]", json.loads(found.group(1)))
    except ValueError:
        return None
    writer = _Copywriter(prompt, schema)
    return {"pieces": [writer.piece(piece) for piece in pieces]}


class _Copywriter:
    """Writes in the language of the locale; in one it lacks, in names of things alone.

    That does for languages in Latin letters; a script it lacks is answered wrongly.
    """

    def __init__(self, prompt: str, schema: Mapping[str, object]) -> None:
        # What is the same for all calls of a persona: the seed must not hang on the other pieces.
        self._brief = read_brief(_PIECES.sub("", prompt), schema)
        self._writer = Writer(self._brief)
        locale = _LOCALE.search(prompt)
        language = locale.group(1).lower() if locale else "en"
        banks = {**BANKS, **MORE, **FAR}
        self._bank: Bank = banks.get(language, TELEGRAM)
        self._terse = language not in banks
        count = _VARIANTS.search(prompt)
        self._variants = int(count.group(1)) if count else 3

    def piece(self, piece: Piece) -> dict[str, object]:
        names = cast("Sequence[str]", piece.get("platforms") or ())
        return {
            "number": piece.get("number"),
            "platforms": [{"platform": n, "variants": self._of(piece, n)} for n in names],
        }

    def _of(self, piece: Piece, platform: str) -> list[dict[str, object]]:
        dice = self._brief.dice("copy", json.dumps(piece, sort_keys=True), platform)
        bank = self._bank
        parts = [_drawn(dice, part, self._variants) for part in (
            bank.hooks, bank.moments, bank.details, bank.turns, bank.calls)]  # fmt: skip
        return [
            self._variant(piece, [part[n] for part in parts], dice, short=platform == "tiktok")
            for n in range(self._variants)
        ]

    def _variant(
        self, piece: Piece, patterns: Sequence[str], dice: random.Random, *, short: bool
    ) -> dict[str, object]:
        slots = self._slots(piece, dice)
        hook, moment, detail, turn, call = (pattern.format(**slots) for pattern in patterns)
        body = f"{moment} {turn}" if short else f"{moment}\n\n{detail} {turn}"
        return {
            "hook": upper_first(hook),
            "body": upper_first(body),
            "call_to_action": call,
            "hashtags": self._tags(piece, slots),
        }

    def _slots(self, piece: Piece, dice: random.Random) -> dict[str, str]:
        writer = self._writer.slots
        topics = writer.topics[:10]
        slots = {
            "scene": str(piece.get("scene") or writer.brief.niche_name),
            "place": re.sub(r"^(an?|the) ", "", str(piece.get("background") or "usual place")),
            "outfit": str(piece.get("outfit") or "old jacket"),
            "light": re.sub(r"^(an?|the) ", "", str(piece.get("lighting") or "morning light")),
            "topic": dice.choice(topics),
            "subject": dice.choice([writer.brief.niche_name, *topics]),
            "trait": dice.choice(writer.traits[:6]),
            "goal": dice.choice(writer.goals[:6]),
        }
        if self._terse:
            return {name: " ".join(_words(text)) for name, text in slots.items()}
        return slots

    def _tags(self, piece: Piece, slots: Mapping[str, str]) -> list[str]:
        said = [slots["topic"], self._brief.niche_name, slots["scene"], slots["place"]]
        tags = ["".join(word.title() for word in _words(text)[:3]) for text in said]
        return list(dict.fromkeys(f"#{tag}" for tag in tags if tag))


def _drawn(dice: random.Random, options: Sequence[str], count: int) -> list[str]:
    """`count` of `options`, each once as long as there are any left."""
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += dice.sample(list(options), k=len(options))
    return drawn[:count]


def _words(text: str) -> list[str]:
    return [w for w in re.findall(r"[A-Za-z0-9]+", text) if w.lower() not in _NOTHING_TO_TAG]
