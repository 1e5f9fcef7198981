"""Plumbing of the copy tests: avatars with a persona, a planned plan and its shots; answers.

Belongs here: set-up, without the stages that would make these rows. Does not: assertions.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from persona_kit import draft, register
from sqlalchemy import insert, select

from vixen_pipeline.content.copy_model import CopyAnswer
from vixen_pipeline.content.copywriting import run_content_copy
from vixen_pipeline.db.models import ContentCopy, ContentPlan, ContentShot, Persona
from vixen_pipeline.db.session import Database
from vixen_pipeline.identity.persona_judge import fit
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.services import Services
from vixen_pipeline.stages import StageResult, no_progress

KEY = "fitness:luna"
SCENES = (
    ("box jumps", "brick-walled gym", "grey hoodie"),
    ("stretching", "riverside path", "running jacket"),
    ("kettlebell swings", "garage gym", "black leggings"),
    ("tying shoes", "old running track", "white T-shirt"),
    ("resting on a bench", "city park", "linen shirt"),
    ("filling a bottle", "kitchen", "wool sweater"),
    ("rowing", "boat house", "rain jacket"),
)
ANGLES = ("front view", "left profile", "slightly low angle", "over the shoulder", "from above")


def with_persona(services: Services, *handles: str, **changes: Any) -> list[AvatarRef]:
    """Registered avatars with the persona that fits their spec."""
    avatars = register(services, *handles, **changes)
    with services.database.begin() as session:
        for avatar in avatars:
            session.execute(
                insert(Persona).values(
                    avatar_id=avatar.id,
                    input_digest=avatar.persona_digest,
                    document=fit(draft(), avatar.spec).persona.document(),
                    embedding=[1.0] + [0.0] * 1535,
                    embedding_model="none",
                    provider="fake",
                    model="fake",
                )
            )
    return avatars


def plan(
    services: Services,
    avatar: AvatarRef,
    count: int,
    *,
    platforms: Sequence[str] = ("instagram", "tiktok"),
    notes: str | None = None,
    number: int = 1,
) -> list[int]:
    """A planned plan of `count` shots; the ids of the shots, in order."""
    now = services.clock.now()
    with services.database.begin() as session:
        plan_id = session.scalars(
            insert(ContentPlan).returning(ContentPlan.id),
            [{
                "avatar_id": avatar.id, "number": number, "count": count, "mix": {"public": count},
                "platforms": list(platforms), "formats": {}, "notes": notes, "seed": 1,
                "requested_by": "a test", "planned_at": now,
            }],
        ).one()  # fmt: skip
        rows = [_shot(avatar, plan_id, number, position) for position in range(count)]
        return list(
            session.scalars(
                insert(ContentShot).returning(ContentShot.id, sort_by_parameter_order=True), rows
            )
        )


def _shot(avatar: AvatarRef, plan_id: int, number: int, position: int) -> dict[str, Any]:
    activity, background, outfit = SCENES[position % len(SCENES)]
    return {
        "avatar_id": avatar.id, "plan_id": plan_id, "position": position, "scene": position // 4,
        "tier": ("public", "premium", "exclusive")[position % 3],
        "template": activity.replace(" ", "-"),
        "choices": {
            "scene": activity, "background": background, "outfit": outfit,
            "angle": ANGLES[position % len(ANGLES)], "lighting": "soft window light",
        },
        "prompt": f"TOK {activity} {position}", "negative_prompt": "",
        "prompt_sha256": f"{number}-{position}", "seed": position,
        "embedding": [1.0] + [0.0] * 1535, "embedding_model": "none", "moderation": {},
    }  # fmt: skip


def run(services: Services, *keys: str) -> list[StageResult]:
    return run_content_copy(services, keys or (KEY,), no_progress)


def copies(database: Database) -> list[ContentCopy]:
    with database.begin() as session:
        return list(session.scalars(select(ContentCopy).order_by(ContentCopy.id)))


def pieces_of(prompt: str) -> list[dict[str, Any]]:
    """The pieces that a prompt asks for."""
    found = re.search(r"<pieces>\n(.*)\n</pieces>", prompt, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def variant(words: str, **changes: Any) -> dict[str, Any]:
    """A usable variant whose words are its own."""
    return {
        "hook": f"What {words} taught me this morning?",
        "body": f"The plan was simple and the weather was not: {words}, twice, before the first "
        f"coffee. It went well enough that I want to do {words} again with you tomorrow.",
        "call_to_action": f"Would you try {words} or leave it for the weekend?",
        "hashtags": ["trailrunning", "strength", "harbour gym"],
        **changes,
    }


def answer(prompt: str, variants: int = 3, **changes: Any) -> CopyAnswer:
    """An answer to a prompt of the copy stage: all its pieces, all variants, each unlike others."""
    return CopyAnswer.model_validate(
        {
            "pieces": [
                {
                    "number": piece["number"],
                    "platforms": [
                        {
                            "platform": name,
                            "variants": [
                                variant(_own(str(piece), name, n), **changes)
                                for n in range(variants)
                            ],
                        }
                        for name in piece["platforms"]
                    ],
                }
                for piece in pieces_of(prompt)
            ]
        }
    )


def _own(picture: str, name: str, number: int) -> str:
    """Six words that no other picture, platform or variant has."""
    seed = int(hashlib.sha256(f"{picture}|{name}|{number}".encode()).hexdigest()[:12], 16)
    return " ".join(f"{word}{seed % (97 + i)}" for i, word in enumerate(
        ("lifting", "slowly", "towards", "harbour", "stones", "round")))  # fmt: skip
