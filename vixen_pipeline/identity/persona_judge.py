"""Whether a written persona can be used. Belongs here: repair, consistency with the spec, policy.

Does not: asking a model again (persona_writing), moderation by a model. Pure functions: the same
answer is always judged the same, which is what makes replaying after a crash safe.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from pydantic import ValidationError

from vixen_pipeline.identity.persona_model import Persona, PersonaDraft, persona_texts
from vixen_pipeline.identity.spec import AvatarSpec
from vixen_pipeline.safety.policy import check_text

_LISTS = {
    "traits": 12,
    "interests": 16,
    "goals": 10,
    "hard_limits": 20,
    "prohibited_topics": 20,
}
_TEXTS = {
    "name": 80,
    "location": 80,
    "biography": 700,
    "backstory": 2000,
    "tone": 200,
    "voice": 400,
}
_ITEM_LENGTH = 160
_AGE = re.compile(
    r"\b(\d{1,3})(?:[\s-]+years?[\s-]+old|[\s-]*y/?o\b)|\bage(?:d|s)?[\s:]+(\d{1,3})\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Repaired:
    """A persona that fits its spec, and the names of the fields that had to be put right."""

    persona: Persona
    repairs: tuple[str, ...]


def repair_raw(raw: str, spec: AvatarSpec) -> PersonaDraft | None:
    """A draft out of an answer that did not fit the schema, or None when it cannot be had.

    Drops unknown keys, shortens what is too long, takes what the spec knows from the spec.
    """
    start, end = raw.find("{"), raw.rfind("}")
    try:
        found: object = json.loads(raw[start : end + 1]) if 0 <= start < end else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    answer = cast("dict[str, object]", found)
    personality = spec.personality
    fields: dict[str, object] = {"name": spec.name, "age": spec.age, "location": spec.location}
    fields["tone"] = personality.tone
    fields["hard_limits"] = personality.hard_limits
    fields["prohibited_topics"] = personality.prohibited_topics
    for name, value in answer.items():
        if name in _LISTS:
            fields[name] = _clip_list(value, _LISTS[name])
        elif name in _TEXTS and isinstance(value, str):
            fields[name] = _clip(value, _TEXTS[name])
    try:
        return PersonaDraft.model_validate(fields)
    except ValidationError:
        return None


def fit(draft: PersonaDraft, spec: AvatarSpec) -> Repaired:
    """`draft` made consistent with `spec`: its facts, and every trait, limit and topic stated."""
    repairs = [
        field
        for field, wanted in (("name", spec.name), ("age", spec.age), ("location", spec.location))
        if getattr(draft, field) != wanted
    ]
    personality = spec.personality
    values = draft.model_dump()
    if "name" in repairs:
        values = {key: _renamed(value, draft.name, spec.name) for key, value in values.items()}
    values |= {"name": spec.name, "age": spec.age, "location": spec.location}
    for field, stated in (
        ("traits", personality.traits),
        ("interests", personality.interests),
        ("goals", personality.goals),
        ("hard_limits", personality.hard_limits),
        ("prohibited_topics", personality.prohibited_topics),
    ):
        values[field] = _joined(stated, cast("list[str]", values[field]), max(20, len(stated)))
    values |= {"pronouns": spec.pronouns, "languages": spec.spoken_languages}
    return Repaired(Persona.model_validate(values), tuple(repairs))


def misfits(persona: Persona, spec: AvatarSpec) -> list[str]:
    """Where `persona` contradicts `spec`, one line each; empty means that it fits."""
    found = [
        f"{field}: is {getattr(persona, field)!r}, the spec says {wanted!r}"
        for field, wanted in (("name", spec.name), ("age", spec.age), ("location", spec.location))
        if getattr(persona, field) != wanted
    ]
    for field in ("traits", "interests", "goals", "hard_limits", "prohibited_topics"):
        kept = {item.casefold() for item in getattr(persona, field)}
        for item in getattr(spec.personality, field):
            if item.casefold() not in kept:
                found.append(f"{field}: leaves out {item!r}")
    for field, text, _ in persona_texts(persona):
        for match in _AGE.finditer(text):
            age = int(match.group(1) or match.group(2))
            if age != spec.age:
                found.append(f"{field}: speaks of the age {age}, the spec says {spec.age}")
    return found


def breaches(persona: Persona, allowed_people: Sequence[str] = ()) -> list[str]:
    """Where `persona` breaks the avatar policy, one line each."""
    found = [
        f"{field}: {violation.message}"
        for field, text, door in persona_texts(persona)
        for violation in check_text(text, door, allowed_people=allowed_people)
    ]
    return list(dict.fromkeys(found))


def _joined(first: Sequence[str], rest: Sequence[str], limit: int) -> list[str]:
    """The stated ones, then the others, each once."""
    kept: dict[str, str] = {}
    for item in (*first, *rest):
        kept.setdefault(item.casefold(), item)
    return list(kept.values())[:limit]


def _renamed(value: object, wrong: str, right: str) -> object:
    if isinstance(value, str):
        value = re.sub(rf"\b{re.escape(wrong)}\b", right, value)
        first = wrong.split()[0]
        if re.search(rf"\b{re.escape(first.lower())}\b", value):
            return value  # "The Runner": the first word is no name
        return re.sub(rf"\b{re.escape(first)}\b", right.split()[0], value)
    if isinstance(value, list):
        return [_renamed(item, wrong, right) for item in cast("list[object]", value)]
    return value


def _clip_list(value: object, limit: int) -> list[str]:
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    texts = [_clip(item, _ITEM_LENGTH) for item in items if isinstance(item, str)]
    return _joined([text for text in texts if len(text) >= 2], [], limit)


def _clip(text: str, limit: int) -> str:
    """At most `limit` characters, cut after a sentence or at least after a word."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    cut = text[:limit]
    for end in (". ", "! ", "? ", " "):
        position = cut.rfind(end)
        if position > limit // 3:
            return cut[: position + 1].strip()
    return cut
