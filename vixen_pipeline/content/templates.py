"""The template library as values: templates, the words they are combined with, a niche's set.

Belongs here: what a template is, which set serves a niche. Does not: reading and judging the files
(library.py, library_check.py), choosing combinations (sampling.py). How to write one:
docs/content-templates.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Place = Literal["indoors", "outdoors"]
PLACES: tuple[Place, ...] = get_args(Place)
FRAMINGS = ("face close-up", "bust", "half body", "full body")
GENERAL = "general"
"""The set that serves every niche without a file of its own."""


@dataclass(frozen=True, slots=True)
class Template:
    """One thing the avatar does. `own_clothes`: its wardrobe fits beside the outfits listed."""

    niche: str
    name: str
    scene: str
    place: Place
    framings: tuple[str, ...]
    outfits: tuple[str, ...]
    backgrounds: tuple[str, ...]
    own_clothes: bool = True

    @property
    def id(self) -> str:
        """`niche/name`, as kept with each shot."""
        return f"{self.niche}/{self.name}"


@dataclass(frozen=True, slots=True)
class CommonWords:
    """What every template is combined with. `moments` and `props` are for plans that need more."""

    angles: tuple[str, ...]
    expressions: tuple[str, ...]
    lighting: Mapping[Place, tuple[str, ...]]
    moments: Mapping[Place, tuple[str, ...]]
    props: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NicheTemplates:
    """The templates of one file; `also` are the other niches that it serves."""

    niche: str
    also: tuple[str, ...]
    templates: tuple[Template, ...]


@dataclass(frozen=True, slots=True)
class Library:
    """Everything that was read. `digest` is the SHA-256 of all files, by name and content."""

    common: CommonWords
    niches: Mapping[str, NicheTemplates]
    digest: str

    def for_niche(self, niche: str) -> NicheTemplates:
        """The set of `niche`: its own, one that lists it, one that has a word of it, or general."""
        for word in (niche, *niche.split("-")):
            if word in self.niches:
                return self.niches[word]
            for each in self.niches.values():
                if word in each.also:
                    return each
        return self.niches[GENERAL]

    def count(self) -> int:
        """How many templates there are."""
        return sum(len(each.templates) for each in self.niches.values())
