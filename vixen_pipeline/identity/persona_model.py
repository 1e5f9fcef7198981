"""What a persona is. Belongs here: the schema that the language model fills, and the kept document.

Does not: the prompt, judging, storing. Name, age, location and languages are the spec's own; the
model states them too, so that a drifting answer is noticed and put right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from vixen_pipeline.db.base import Json
from vixen_pipeline.safety.policy import Door

Item = Annotated[str, Field(min_length=2, max_length=160)]


class PersonaDraft(BaseModel):
    """A persona as the language model writes it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: Annotated[str, Field(min_length=1, max_length=80, description="The name as given")]
    age: Annotated[int, Field(description="The age as given")]
    location: Annotated[str, Field(min_length=1, max_length=80, description="As given")]
    biography: Annotated[
        str,
        Field(min_length=40, max_length=700, description="Profile text, two or three sentences"),
    ]
    backstory: Annotated[
        str,
        Field(
            min_length=80,
            max_length=2000,
            description="How this adult came to this niche: adult life only, one paragraph",
        ),
    ]
    traits: Annotated[list[Item], Field(min_length=3, max_length=12)]
    interests: Annotated[list[Item], Field(min_length=3, max_length=16)]
    goals: Annotated[list[Item], Field(min_length=1, max_length=10)]
    tone: Annotated[str, Field(min_length=2, max_length=200, description="Tone in one phrase")]
    voice: Annotated[
        str,
        Field(
            min_length=10,
            max_length=400,
            description="How it writes: sentence length, favourite turns, use of emoji",
        ),
    ]
    hard_limits: Annotated[
        list[Item], Field(max_length=20, description="What it never does, each beginning 'Never'")
    ]
    prohibited_topics: Annotated[list[Item], Field(max_length=20)]


class Persona(PersonaDraft):
    """The kept persona: consistent with its spec. `document()` is what the database has.

    The lists hold what the spec states and what the model added, so they may be longer than a
    draft's.
    """

    version: int = 1
    traits: list[str]
    interests: list[str]
    goals: list[str]
    hard_limits: list[str]
    prohibited_topics: list[str]
    pronouns: str | None = None
    languages: list[str]

    def document(self) -> Json:
        return self.model_dump(mode="json")


def persona_texts(draft: PersonaDraft) -> Iterator[tuple[str, str, Door]]:
    """Every text of a persona: the field, the text, the policy's door."""
    for field in ("name", "location", "biography", "backstory", "tone", "voice"):
        yield field, str(getattr(draft, field)), Door.PERSONA
    for field in ("traits", "interests", "goals"):
        for item in getattr(draft, field):
            yield field, str(item), Door.PERSONA
    for field in ("hard_limits", "prohibited_topics"):
        for item in getattr(draft, field):
            yield field, str(item), Door.LIMIT


def embedding_text(persona: PersonaDraft) -> str:
    """What similarity is measured on: everything that makes the character, not its name."""
    parts = [
        persona.biography,
        persona.backstory,
        "Traits: " + "; ".join(persona.traits),
        "Interests: " + "; ".join(persona.interests),
        "Goals: " + "; ".join(persona.goals),
        f"Tone: {persona.tone}. {persona.voice}",
    ]
    names = {persona.name, *persona.name.split()}
    alternatives = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"\b(?:{alternatives})\b", "X", "\n".join(parts))
