"""Judging template files. Belongs here: every rule a file must keep, one line per breach.

Does not: finding and reading the files (library.py). Problems are collected, never raised one by
one: who edits a file wants to see all of them. Wording goes through the safety policy.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from vixen_pipeline.content.templates import (
    FRAMINGS,
    PLACES,
    CommonWords,
    NicheTemplates,
    Place,
    Template,
)
from vixen_pipeline.identity.spec_fields import SLUG_PATTERN
from vixen_pipeline.identity.yaml_reader import Document, FieldPath
from vixen_pipeline.safety.policy import Door, check_text

MOST_LETTERS, MOST_WORDS = 70, 10
"""Of a phrase: the image model reads about 75 tokens of a whole prompt."""
FEWEST = {
    "angles": 10,
    "expressions": 10,
    "lighting": 4,
    "moments": 4,
    "props": 8,
    "framings": 1,
    "outfits": 2,
    "backgrounds": 2,
}
"""Least number of entries: a scene has up to 10 shots that differ in angle and expression."""
_TEMPLATE = {"name", "scene", "place", "framings", "outfits", "backgrounds", "own_clothes"}
_COMMON = {"angles", "expressions", "lighting", "moments", "props"}


@dataclass
class FileCheck:
    """One file being judged; `problems` fills up with lines for a person."""

    file: str
    document: Document
    problems: list[str] = field(default_factory=list[str])

    def problem(self, path: FieldPath, text: str) -> None:
        line = self.document.line(path)
        where = f", line {line}" if line is not None else ""
        self.problems.append(f"{self.file}{where}: {text}")

    def common(self) -> CommonWords | None:
        """The words for all templates; None when something is wrong."""
        top = self._mapping((), self.document.value, _COMMON)
        if top is None:
            return None
        words = CommonWords(
            angles=self._phrases(("angles",), top.get("angles")),
            expressions=self._phrases(("expressions",), top.get("expressions")),
            lighting=self._by_place("lighting", top.get("lighting")),
            moments=self._by_place("moments", top.get("moments")),
            props=self._phrases(("props",), top.get("props")),
        )
        return None if self.problems else words

    def niche(self) -> NicheTemplates | None:
        """The templates of a niche; None when something is wrong."""
        top = self._mapping((), self.document.value, {"niche", "templates"}, {"also"})
        if top is None:
            return None
        niche = self._slug(("niche",), top.get("niche"))
        also = tuple(
            self._slug(("also", number), each)
            for number, each in enumerate(self._list(("also",), top.get("also", []), 0))
        )
        templates = tuple(
            self._template(number, each, niche)
            for number, each in enumerate(self._list(("templates",), top.get("templates"), 1))
        )
        names = [each.name for each in templates if each is not None]
        for number, name in enumerate(names):
            if name in names[:number]:
                self.problem(("templates", number, "name"), f"{name!r} is the name of two here")
        if self.problems:
            return None
        return NicheTemplates(niche, also, tuple(each for each in templates if each is not None))

    def _template(self, number: int, value: object, niche: str) -> Template | None:
        at: FieldPath = ("templates", number)
        fields = self._mapping(at, value, _TEMPLATE - {"own_clothes"}, {"own_clothes"})
        if fields is None:
            return None
        place, own = fields.get("place"), fields.get("own_clothes", True)
        if place not in PLACES:
            self.problem((*at, "place"), f"place is {place!r}; allowed: {' or '.join(PLACES)}")
        if not isinstance(own, bool):
            self.problem((*at, "own_clothes"), f"own_clothes is {own!r}; allowed: true or false")
        framings = self._phrases((*at, "framings"), fields.get("framings"))
        for number_of_framing, framing in enumerate(framings):
            if framing not in FRAMINGS:
                self.problem(
                    (*at, "framings", number_of_framing),
                    f"the framing {framing!r} is unknown; allowed: {', '.join(FRAMINGS)}",
                )
        return Template(
            niche=niche,
            name=self._slug((*at, "name"), fields.get("name")),
            scene=self._phrase((*at, "scene"), fields.get("scene")),
            place=cast("Place", place),
            framings=framings,
            outfits=self._phrases((*at, "outfits"), fields.get("outfits")),
            backgrounds=self._phrases((*at, "backgrounds"), fields.get("backgrounds")),
            own_clothes=own is True,
        )

    # ---- shapes ---------------------------------------------------------------------------------

    def _mapping(
        self, path: FieldPath, value: object, needed: set[str], optional: set[str] | None = None
    ) -> Mapping[str, object] | None:
        if not isinstance(value, Mapping):
            self.problem(path, f"is {_kind(value)}; allowed: {', '.join(sorted(needed))}")
            return None
        fields = cast("Mapping[str, object]", value)
        for name in sorted(needed - set(fields)):
            self.problem(path, f"{name} is missing")
        for name in fields:
            if name not in needed | (optional or set()):
                allowed = ", ".join(sorted(needed | (optional or set())))
                self.problem((*path, name), f"{name!r} is unknown here; allowed: {allowed}")
        return fields

    def _by_place(self, name: str, value: object) -> dict[Place, tuple[str, ...]]:
        fields = self._mapping((name,), value, set(PLACES)) or {}
        return {place: self._phrases((name, place), fields.get(place), name) for place in PLACES}

    def _list(self, path: FieldPath, value: object, fewest: int) -> Sequence[object]:
        if not isinstance(value, list):
            self.problem(path, f"{path[-1]} is {_kind(value)}; allowed: a list")
            return []
        entries = cast("list[object]", value)
        if len(entries) < fewest:
            self.problem(path, f"{path[-1]} has {len(entries)} entries; at least {fewest}")
        return entries

    def _phrases(self, path: FieldPath, value: object, kind: str = "") -> tuple[str, ...]:
        fewest = FEWEST[kind or str(path[-1])]
        entries = self._list(path, value, fewest)
        phrases = [self._phrase((*path, number), each) for number, each in enumerate(entries)]
        for number, phrase in enumerate(phrases):
            if phrase and phrase in phrases[:number]:
                self.problem((*path, number), f"{phrase!r} is in this list twice")
        return tuple(phrases)

    def _phrase(self, path: FieldPath, value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            self.problem(
                path, f"{_kind(value)} is no phrase; allowed: words (in quotes if need be)"
            )
            return ""
        text = unicodedata.normalize("NFC", value)
        hidden = [c for c in text if unicodedata.category(c)[0] == "C"]
        if hidden:
            self.problem(path, f"holds the invisible character U+{ord(hidden[0]):04X}")
        if len(text) > MOST_LETTERS or len(text.split()) > MOST_WORDS:
            self.problem(
                path,
                f"{text[:40]!r}… is too long; at most {MOST_WORDS} words, {MOST_LETTERS} letters",
            )
        else:
            for violation in check_text(text, Door.TEMPLATE):
                self.problem(path, violation.message)
        return text

    def _slug(self, path: FieldPath, value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(SLUG_PATTERN, value):
            self.problem(path, f"{value!r} is no name; allowed: a-z, 0-9 and single hyphens")
            return ""
        return value


def _kind(value: object) -> str:
    if value is None:
        return "missing"
    names: dict[type, str] = {list: "a list", dict: "a mapping", str: "text"}
    return names.get(type(value), f"{value!r}")
