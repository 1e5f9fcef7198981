"""What the language model fills, and the values the copy stage passes around.

Belongs here: the schema of an answer, shots and captions as the stage sees them. Does not:
prompts, rows. The schema is the same for every call: it is part of what the provider caches. Limits
are told in words and kept in code (caption_compose), so that one long hook does not void an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from vixen_pipeline.db.base import Json
from vixen_pipeline.identity.registry import AvatarRef

STAGE = "content_copy"
COPY_PROMPT_VERSION = 1
"""Raise it when prompt or schema change: answers kept from before are then not taken up."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class CopyVariant(_Part):
    """One way of saying it."""

    hook: Annotated[str, Field(description="First line, up to 80 characters, no emoji in front")]
    body: Annotated[str, Field(description="The caption itself, without hashtags")]
    call_to_action: Annotated[str, Field(description="One short line that invites an answer")]
    hashtags: Annotated[list[str], Field(description="3 to 5 specific ones, without spaces")]


class PlatformCopy(_Part):
    """The variants for one platform."""

    platform: Annotated[str, Field(description="As given")]
    variants: list[CopyVariant]


class PieceCopy(_Part):
    """The words of one piece."""

    number: Annotated[int, Field(description="The number of the piece, as given")]
    platforms: list[PlatformCopy]


class CopyAnswer(_Part):
    """The words of all the pieces that were given."""

    pieces: list[PieceCopy]


@dataclass(frozen=True, slots=True)
class Shot:
    """A planned still, as far as words need it."""

    id: int
    plan_id: int
    position: int
    tier: str
    template: str
    choices: Json
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Caption:
    """One kept row of vixen.content_copies, with words."""

    id: int
    shot_id: int
    platform: str
    round: int
    variant: int
    words: str
    caption: str
    title: str | None
    scores: Json
    score: float | None
    moderation: Json | None
    reason: str | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A shot on a platform: what needs one chosen caption. `rounds` counts the tries so far."""

    shot: Shot
    platform: str
    rounds: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The places of one call, all of one plan and in the same round."""

    avatar: AvatarRef
    plan_id: int
    notes: str | None
    round: int
    places: tuple[Place, ...]

    @property
    def shots(self) -> Sequence[Shot]:
        """The shots in the order of the prompt: a piece's number is its position here, from 1."""
        return list({place.shot.id: place.shot for place in self.places}.values())


@dataclass(slots=True)
class CopyBook:
    """All that is known of the words for one avatar's plans in question."""

    avatar: AvatarRef
    notes: dict[int, str | None] = field(default_factory=dict[int, str | None])
    shots: dict[int, Shot] = field(default_factory=dict[int, Shot])
    captions: list[Caption] = field(default_factory=list[Caption])
    places: list[Place] = field(default_factory=list[Place])
    """Those without a chosen caption."""
