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


def draw_person(request: Any, *, skin: tuple[int, int, int] = (205, 160, 120)) -> bytes:
    """A JPEG of one and the same simple person before shapes that differ by seed."""
    import io
    import random

    from PIL import Image, ImageDraw

    dice = random.Random(request.seed)
    side = request.width
    image = Image.new("RGB", (side, side), (dice.randrange(256), 120, dice.randrange(256)))
    pen = ImageDraw.Draw(image)
    for _ in range(60):
        x, y, r = dice.randrange(side), dice.randrange(side), dice.randrange(20, side // 5)
        pen.rectangle((x - r, y - r, x + r, y + r), fill=_any_color(dice))
    head = side // 4
    middle = (side // 2, int(side * 0.47))
    for wide, top, bottom, color in ((1.0, 1.1, 1.1, (120, 60, 30)), (0.7, 0.6, 1.0, skin)):
        box = (middle[0] - wide * head, middle[1] - top * head,
               middle[0] + wide * head, middle[1] + bottom * head)  # fmt: skip
        pen.ellipse(box, fill=color)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


def _any_color(dice: Any) -> tuple[int, int, int]:
    return (dice.randrange(256), dice.randrange(256), dice.randrange(256))


def fake_services(settings: Any, database: Any, **changes: Any) -> Services:
    """The core with fakes of every provider; `settings` may be changed by keyword."""
    from vixen_pipeline.providers.fakes import (
        FakeEmbedder,
        FakeImageModel,
        FakeModerator,
        FakeTextModel,
        FakeTrainer,
        MemoryObjectStore,
    )

    parts: dict[str, Any] = {
        "images": FakeImageModel(draw_person),
        "moderator": FakeModerator(),
        "trainer": FakeTrainer(),
        "objects": MemoryObjectStore(),
        "text": FakeTextModel(),
        "embedder": FakeEmbedder(),
    }
    parts |= {name: changes.pop(name) for name in list(changes) if name in (*parts, "clock")}
    small = {"dataset_images": 6, "replicate_concurrency": 4, "reconcile_grace_s": 0.0}
    return Services(settings.model_copy(update={**small, **changes}), database=database, **parts)


def give_dataset(services: Services, avatar: AvatarRef, images: int = 2) -> None:
    """A portrait and a dataset of a few images, made by the stages themselves."""
    from vixen_pipeline.identity.datasets import run_training_datasets
    from vixen_pipeline.identity.portraits import run_reference_portraits
    from vixen_pipeline.stages import no_progress

    for stage in (run_reference_portraits, run_training_datasets):
        (result,) = stage(services, [avatar.key], no_progress)
        assert result.outcome in ("made", "unchanged"), result
