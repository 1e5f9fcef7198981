"""What the sandbox's writers understand of a prompt: its facts, its niche, its own words.

Belongs here: reading `key: value` lines, lists and JSON out of free text; the seed of a prompt.
Does not: writing (text_fields) or schemas (text_schema).
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from vixen_pipeline.sandbox.text_niches import NICHES, Niche

_LINE = re.compile(r"^[\s>#*\-]*[\"']?([A-Za-z][A-Za-z _-]{1,30}?)[\"'*]*\s*[:=]\s*(.*?)\s*$")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+(.+?)\s*$")
_NOTHING = re.compile(r"^(none\b.*|not (stated|given|known)|unknown|n/?a|[-–—])$", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{4,}")
_IDENTIFIERS = frozenset({"handle", "username", "avatar", "key", "avatar_key", "id", "seed"})
_STOP = frozenset(
    re.findall(
        r"\S+",
        "about above after also answer avatar because been before below between both character "
        "could creator describe does each every example field fields fill from give given have "
        "into itself json keep language like list must name never niche none object only other "
        "output persona please prompt reply return schema shall should some string such than "
        "that their them then there these they this those through traits under until very "
        "virtual what when where which while will with without words write written year years "
        "your years-old sentence sentences text texts true false null always adult adults "
        "exactly least most more plain english ",
    )
)


@dataclass(frozen=True, slots=True)
class Brief:
    """A prompt, read. `facts` maps normalised names to their values; `seed` ignores the handle."""

    text: str
    facts: Mapping[str, tuple[str, ...]]
    niche_name: str
    niche: Niche
    seed: str

    def fact(self, *names: str) -> str | None:
        """The first value of the first of `names` that the prompt states."""
        for name in names:
            values = self.facts.get(name)
            if values:
                return values[0]
        return None

    def facts_of(self, *names: str) -> tuple[str, ...]:
        """All values of the first of `names` that the prompt states."""
        for name in names:
            if self.facts.get(name):
                return self.facts[name]
        return ()

    def dice(self, *path: object) -> random.Random:
        """Random numbers that depend on the prompt and the place only."""
        material = "\x1f".join([self.seed, *map(str, path)])
        return random.Random(hashlib.sha256(material.encode()).digest())


def read_brief(prompt: str, schema: Mapping[str, object] | None = None) -> Brief:
    """Read a prompt (system and user text joined). Same prompt and schema, same `seed`."""
    facts = _facts(prompt)
    niche_name, niche = _find_niche(prompt, facts)
    basis = prompt
    names = {value for name in _IDENTIFIERS for value in facts.get(name, ()) if len(value) > 2}
    for value in sorted(names, key=len, reverse=True):
        basis = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "", basis)
    outline = json.dumps(schema, sort_keys=True) if schema is not None else ""
    seed = hashlib.sha256(f"{' '.join(basis.split())}\x1f{outline}".encode()).hexdigest()
    return Brief(prompt, facts, niche_name, niche, seed)


def normal(name: str) -> str:
    """`Hard limits`, `hard-limits` and `hardLimits` are all `hard_limits`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def _facts(prompt: str) -> dict[str, tuple[str, ...]]:
    facts: dict[str, tuple[str, ...]] = {}
    for name, values in [*_json_facts(prompt), *_line_facts(prompt)]:
        if values and name not in facts:
            facts[name] = values
    return facts


def _line_facts(prompt: str) -> Iterable[tuple[str, tuple[str, ...]]]:
    """`Name: value`, `Name: a, b, c` and `Name:` followed by bullets."""
    open_name: str | None = None
    bullets: list[str] = []
    for line in [*prompt.splitlines(), ""]:
        bullet = _BULLET.match(line)
        if open_name and bullet and not _LINE.match(bullet.group(1)):
            bullets.append(_clean(bullet.group(1)))
            continue
        if open_name and bullets:
            yield open_name, tuple(bullets)
        open_name, bullets = None, []
        found = _LINE.match(line)
        if not found:
            continue
        name, value = normal(found.group(1)), _clean(found.group(2))
        if value:
            yield name, _values(name, value)
        else:
            open_name = name


def _json_facts(prompt: str) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Every scalar and list of scalars of every JSON object in the text, outermost first."""
    decoder = json.JSONDecoder()
    position = prompt.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(prompt, position)
        except ValueError:
            position = prompt.find("{", position + 1)
            continue
        yield from _walk(value)
        position = prompt.find("{", end)


def _walk(value: object, name: str = "") -> Iterable[tuple[str, tuple[str, ...]]]:
    if isinstance(value, dict):
        for key, child in cast("dict[str, object]", value).items():
            yield from _walk(child, normal(key))
    elif isinstance(value, list):
        items = cast("list[object]", value)
        yield name, tuple(str(item) for item in items if isinstance(item, str | int | float))
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield name, (str(value),)


def _values(name: str, text: str) -> tuple[str, ...]:
    """One value, or many where the name is a plural or the text is visibly a list."""
    if _NOTHING.match(text):
        return ()
    listed = text.startswith("[") and text.endswith("]")
    if listed:
        text = text[1:-1]
    parts = tuple(part for part in map(_clean, text.split(";")) if part)
    if len(parts) > 1:
        return parts
    parts = tuple(part for part in map(_clean, text.split(",")) if part)
    # A sentence with a comma is one value, and so is "Lagos, Nigeria".
    if listed or (name.endswith("s") and all(len(part.split()) <= 5 for part in parts)):
        return parts
    return (text,)


def _clean(text: str) -> str:
    return text.strip().strip("\"'*`,").strip()


def _find_niche(prompt: str, facts: Mapping[str, tuple[str, ...]]) -> tuple[str, Niche]:
    stated = (facts.get("niche") or facts.get("topic") or facts.get("category") or ("",))[0]
    found = _known_niche(stated or prompt)
    if found:
        return (stated or found), NICHES[found]
    own = facts.get("interests") or facts.get("topics") or _salient(prompt)
    return (stated or "everyday life"), _niche_of_words(own, stated)


def _known_niche(text: str) -> str | None:
    words = re.findall(r"[a-z]+", text.lower())
    scores = {
        name: sum(words.count(word) for word in {name, *niche.words})
        for name, niche in NICHES.items()
    }
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] else None


def _salient(prompt: str) -> tuple[str, ...]:
    """The words that the prompt uses most, instructions left out."""
    lowered = prompt.lower()
    counts: dict[str, int] = {}
    for word in _WORD.findall(lowered):
        if word not in _STOP:
            counts[word] = counts.get(word, 0) + 1
    return tuple(sorted(counts, key=lambda word: (-counts[word], lowered.find(word)))[:8])


def _niche_of_words(own: tuple[str, ...], stated: str) -> Niche:
    """A niche that no table knows: its topics are the prompt's own words."""
    base = NICHES["books"]
    topic = stated or (own[0] if own else "everyday life")
    return Niche(
        words=own or ("life",),
        topics=own if len(own) >= 3 else (topic, *own, "small rituals", "long walks"),
        activities=(f"reading up on {topic}", f"taking notes on {topic}", "asking old hands"),
        jobs=(f"{topic} apprentice", "local reporter", "workshop host"),
        goals=(
            f"make {topic} easy to begin with",
            f"meet everybody who cares about {topic}",
            f"write the guide to {topic} that was missing",
            "learn one hard thing a month",
        ),
        places=base.places,
    )
