"""What a person writes to describe an avatar: the spec, format version 1.

Belongs here: the fields, their meaning and limits; the JSON Schema for editors is generated from
this file. Does not: reading files (yaml_reader, spec_parse), wording rules (vixen_pipeline.safety),
storing (registry). Descriptions are for the person who writes the file: they show up in editors.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from vixen_pipeline.db.base import Json
from vixen_pipeline.identity.spec_fields import (
    Currency,
    Languages,
    Locale,
    MinorUnits,
    Paragraph,
    Phrase,
    Phrases,
    ShortText,
    Slug,
    SomePhrases,
    TimeZone,
)
from vixen_pipeline.safety.disclosure import DEFAULT_DISCLOSURE

SPEC_VERSION = 1
MIN_AGE = 21
MAX_AGE = 99

Presentation = Literal["woman", "man", "androgynous"]
Pronouns = Literal["she/her", "he/him", "they/them"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Personality(_Part):
    """Who the avatar is; the persona is written from this."""

    traits: Annotated[SomePhrases, Field(description="Character traits, e.g. 'patient', 'dry wit'")]
    tone: Annotated[Phrase, Field(description="How the avatar speaks and writes, in one phrase")]
    interests: Annotated[SomePhrases, Field(description="What the avatar talks about by itself")]
    goals: Annotated[SomePhrases, Field(description="What the avatar wants to reach")]
    hard_limits: Annotated[
        Phrases, Field(default_factory=list, description="What the avatar never does")
    ]
    prohibited_topics: Annotated[
        Phrases, Field(default_factory=list, description="What the avatar never talks about")
    ]


class Appearance(_Part):
    """What the avatar looks like; every image is drawn from this. An adult, always."""

    presentation: Annotated[Presentation, Field(description="How the avatar presents")]
    hair_color: Annotated[ShortText, Field(description="e.g. 'copper'")]
    hair_style: Annotated[ShortText, Field(description="e.g. 'long waves'")]
    eye_color: Annotated[ShortText, Field(description="e.g. 'green'")]
    skin_tone: Annotated[ShortText, Field(description="e.g. 'olive'")]
    build: Annotated[ShortText, Field(description="e.g. 'athletic'")]
    distinguishing: Annotated[
        Phrases,
        Field(default_factory=list, description="What one recognises the avatar by"),
    ]
    style: Annotated[Phrase, Field(description="The overall style, e.g. 'minimal sportswear'")]
    wardrobe: Annotated[SomePhrases, Field(description="Outfits to draw from")]


class Prices(_Part):
    """What subscribers pay, in minor units of one currency (cents; whole yen for JPY)."""

    currency: Annotated[Currency, Field(description="ISO 4217 code")]
    subscription_monthly_minor: Annotated[
        MinorUnits, Field(description="Premium subscription per month, minor units")
    ]
    subscription_yearly_minor: Annotated[
        MinorUnits, Field(description="Premium subscription per year, minor units")
    ]
    pack_minor: Annotated[MinorUnits, Field(description="One premium pack, minor units")]
    custom_request_minor: Annotated[
        MinorUnits, Field(description="Upcharge of a custom request, minor units")
    ]


class Likeness(_Part):
    """Only for an avatar that looks like a real, consenting person."""

    consent: Annotated[
        ShortText,
        Field(description="Reference given to `vixen avatar consent add` for this person"),
    ]


class AvatarSpec(_Part):
    """A virtual creator, described by a person."""

    version: Annotated[Literal[1], Field(description="Version of this format")]
    handle: Annotated[Slug, Field(description="Unique name; with the niche it forms the key")]
    niche: Annotated[Slug, Field(description="Topic area; fixed once the handle is registered")]
    name: Annotated[ShortText, Field(description="Name shown to people; fictional")]
    age: Annotated[int, Field(ge=MIN_AGE, le=MAX_AGE, description="Age in years, an adult")]
    pronouns: Annotated[Pronouns | None, Field(default=None, description="Pronouns")]
    personality: Personality
    appearance: Appearance
    locale: Annotated[Locale, Field(description="Language and region of the posts, e.g. en-US")]
    languages: Annotated[
        Languages,
        Field(default_factory=list, description="Languages spoken; default: that of the locale"),
    ]
    time_zone: Annotated[TimeZone, Field(description="The audience's IANA zone")]
    location: Annotated[ShortText, Field(description="Where the avatar lives, e.g. 'Lisbon'")]
    disclosure: Annotated[
        Paragraph,
        Field(default=DEFAULT_DISCLOSURE, description="Profile text; must say that this is AI"),
    ]
    prices: Prices
    likeness: Annotated[
        Likeness | None, Field(default=None, description="Consent to a real person's likeness")
    ]
    seed: Annotated[
        int | None,
        Field(default=None, ge=0, le=2**31 - 1, description="Seed of the shot plan and images"),
    ]

    @property
    def key(self) -> str:
        """`niche:handle`, the partition key."""
        return f"{self.niche}:{self.handle}"

    @property
    def spoken_languages(self) -> list[str]:
        """Languages spoken; never empty."""
        return list(self.languages) or [self.locale.split("-")[0]]

    @property
    def image_seed(self) -> int:
        """The seed in force: the stated one, or a stable one of this handle (31 bits)."""
        if self.seed is not None:
            return self.seed
        return int.from_bytes(hashlib.sha256(self.handle.encode()).digest()[:4], "big") >> 1

    def document(self) -> Json:
        """The spec as JSON, defaults written out."""
        return self.model_dump(mode="json")


@dataclass(frozen=True, slots=True)
class ParsedSpec:
    """A valid spec and where it came from; `source` is a file name or another short label."""

    spec: AvatarSpec
    source: str
