"""Avatars for tests of the media stages. Belongs here: making specs and personas exist quickly.

Does not: fixtures, assertions. Personas are written straight to the table, so that these tests
need no language model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import insert

from vixen_pipeline.db.models import Persona
from vixen_pipeline.identity.registry import AvatarRef, avatar_refs, land_specs, register_landed
from vixen_pipeline.identity.spec import AvatarSpec, ParsedSpec
from vixen_pipeline.services import Services

LOOKS = [
    ("copper", "long waves", "green", "olive"),
    ("black", "short natural curls", "dark brown", "deep brown"),
    ("silver grey", "cropped", "amber", "golden brown"),
    ("blonde", "bob", "blue", "fair"),
]


def spec_document(handle: str = "luna", number: int = 0, **changes: Any) -> dict[str, Any]:
    hair, style, eyes, skin = LOOKS[number % len(LOOKS)]
    return {
        "version": 1,
        "niche": "fitness",
        "handle": handle,
        "name": "Luna Rivers",
        "age": 27,
        "personality": {
            "traits": ["patient"],
            "tone": "warm",
            "interests": ["trail running"],
            "goals": ["run the coast path"],
        },
        "appearance": {
            "presentation": "woman",
            "hair_color": hair,
            "hair_style": style,
            "eye_color": eyes,
            "skin_tone": skin,
            "build": "athletic",
            "style": "minimal",
            "wardrobe": ["sage training set", "grey sweatshirt"],
        },
        "locale": "en-US",
        "time_zone": "Europe/Lisbon",
        "location": "Ericeira",
        "prices": {
            "currency": "EUR",
            "subscription_monthly_minor": 990,
            "subscription_yearly_minor": 9900,
            "pack_minor": 500,
            "custom_request_minor": 2500,
        },
        **changes,
    }


def add_avatars(
    services: Services, *handles: str, persona: bool = True, **changes: Any
) -> list[AvatarRef]:
    """Registered avatars `fitness:<handle>`, each with a persona unless told otherwise."""
    specs = [
        AvatarSpec.model_validate(spec_document(handle, number, **changes))
        for number, handle in enumerate(handles)
    ]
    land_specs(services, [ParsedSpec(spec, "test") for spec in specs])
    register_landed(services)
    refs = avatar_refs(services, [spec.key for spec in specs])
    if persona:
        give_personas(services, list(refs.values()))
    return [refs[spec.key] for spec in specs]


def give_personas(services: Services, avatars: list[AvatarRef]) -> None:
    with services.database.begin() as session:
        for avatar in avatars:
            session.execute(
                insert(Persona).values(
                    avatar_id=avatar.id,
                    input_digest=avatar.persona_digest,
                    document={"name": avatar.display_name},
                    embedding=[0.0] * 1535 + [1.0],
                    embedding_model="test",
                    provider="test",
                    model="test",
                )
            )


EXAMPLES = Path(__file__).parents[2] / "examples" / "avatars"
