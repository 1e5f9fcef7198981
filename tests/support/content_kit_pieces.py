"""Plans, shots, images and words for tests of pieces. Belongs here: making them exist directly.

Does not: fixtures, assertions. Rows and objects are written without the stages before, so that
these tests need no planner, no endpoint and no language model.
"""

from __future__ import annotations

import hashlib
import io
import random
from decimal import Decimal
from typing import Any

from PIL import Image, ImageDraw
from sqlalchemy import insert, select

from vixen_pipeline.db.models import (
    ContentCopy,
    ContentPlan,
    ContentShot,
    EffectRow,
    RenderedImage,
)
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.money import largest_remainder
from vixen_pipeline.safety.disclosure_texts import disclosure_text
from vixen_pipeline.services import Services

PASSES = {
    "flagged": False,
    "categories": [],
    "scores": {
        "sexual": 0.01,
        "sexual/minors": 0.0001,
        "violence": 0.01,
        "violence/graphic": 0.0,
        "self-harm": 0.0,
    },
    "model": "test-moderation",
}
MODEL, MODEL_DIGEST = "stabilityai/sdxl-test", "sha256:" + "d" * 64
WEIGHTS = "e" * 64
MIX = {"public": 60, "premium": 30, "exclusive": 10}
PLATFORMS = ["instagram", "tiktok"]


def picture(seed: int, size: tuple[int, int] = (896, 1152), **save: Any) -> bytes:
    """A JPEG of a person before shapes; every seed another one."""
    dice = random.Random(seed)
    width, height = size
    image = Image.new("RGB", size, _color(dice))
    pen = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, r = dice.randrange(width), dice.randrange(height), dice.randrange(30, width // 4)
        pen.rectangle((x - r, y - r, x + r, y + r), fill=_color(dice))
    head, middle = width * 0.16, (width / 2, height * 0.3)
    for wide, high, down, color in ((1.1, 1.3, 0, (120, 60, 30)), (0.8, 1.0, 0.1, (205, 160, 120))):
        x, y = middle[0], middle[1] + down * head
        pen.ellipse((x - wide * head, y - high * head, x + wide * head, y + high * head), color)
    pen.rectangle((width * 0.3, height * 0.5, width * 0.7, height), fill=_color(dice))
    out = io.BytesIO()
    image.save(out, **{"format": "JPEG", "quality": 90, **save})
    return out.getvalue()


def _color(dice: random.Random) -> tuple[int, int, int]:
    return dice.randrange(256), dice.randrange(256), dice.randrange(256)


def give_plan(
    services: Services,
    avatar: AvatarRef,
    count: int = 4,
    *,
    number: int = 1,
    platforms: list[str] | None = None,
    formats: dict[str, int] | None = None,
    scene_size: int = 2,
    images: bool = True,
    copies: bool = True,
) -> int:
    """A planned plan of `count` shots with images and words; its id."""
    tiers = list(MIX)
    counts = dict(zip(tiers, largest_remainder(count, list(MIX.values())), strict=True))
    platforms = platforms or PLATFORMS
    now = services.clock.now()
    with services.database.begin() as session:
        plan_id = session.scalars(
            insert(ContentPlan)
            .values(
                avatar_id=avatar.id,
                number=number,
                count=count,
                mix=counts,
                platforms=platforms,
                formats=formats or {},
                seed=number,
                requested_by="test",
                planned_at=now,
            )
            .returning(ContentPlan.id)
        ).one()
        declared = [tier for tier in tiers for _ in range(counts[tier])]
        for position, tier in enumerate(declared):
            session.execute(
                insert(ContentShot).values(
                    _shot(avatar, plan_id, number, position, position // scene_size, tier)
                )
            )
    for shot_id in shot_ids(services, plan_id):
        if images:
            give_image(services, avatar, shot_id)
        if copies:
            for platform in platforms:
                give_copy(services, avatar, shot_id, platform)
    return plan_id


def _shot(
    avatar: AvatarRef, plan_id: int, number: int, position: int, scene: int, tier: str
) -> dict[str, Any]:
    prompt = f"photo of a 27-year-old adult woman, stretching outdoors, {number}.{position}"
    return {
        "avatar_id": avatar.id,
        "plan_id": plan_id,
        "position": position,
        "scene": scene,
        "tier": tier,
        "template": "fitness-stretch",
        "choices": {"angle": "eye level"},
        "prompt": prompt,
        "negative_prompt": "blurry",
        "prompt_sha256": hashlib.sha256(prompt.encode()).hexdigest(),
        "seed": 1000 * number + position,
        "embedding": [0.0] * 1535 + [1.0],
        "embedding_model": "test",
        "moderation": PASSES,
    }


def shot_ids(services: Services, plan_id: int) -> list[int]:
    with services.database.begin() as session:
        return list(
            session.scalars(
                select(ContentShot.id)
                .where(ContentShot.plan_id == plan_id)
                .order_by(ContentShot.position)
            )
        )


def give_image(
    services: Services,
    avatar: AvatarRef,
    shot_id: int,
    *,
    attempt: int = 1,
    data: bytes | None = None,
    **changes: Any,
) -> int:
    """The accepted image of a shot, stored, measured and moderated; its id."""
    data = data or picture(1000 * shot_id + attempt)
    sha256 = hashlib.sha256(data).hexdigest()
    key = f"avatars/{avatar.niche}/{avatar.handle}/content/{sha256}.jpg"
    services.objects.put(key, data, "image/jpeg")
    request_id = f"shot-{shot_id}-{attempt}"
    width, height = Image.open(io.BytesIO(data)).size
    with services.database.begin() as session:
        effect_id = session.scalars(
            insert(EffectRow)
            .values(
                kind="content.images",
                provider="modal",
                avatar_id=avatar.id,
                key=f"test:{request_id}",
                state="confirmed",
                request={},
                request_digest="0",
                result={"model": MODEL, "model_digest": MODEL_DIGEST},
                deadline_s=60,
                deadline=services.clock.now(),
            )
            .returning(EffectRow.id)
        ).one()
        return session.scalars(
            insert(RenderedImage)
            .values(
                **{
                    "avatar_id": avatar.id,
                    "shot_id": shot_id,
                    "attempt": attempt,
                    "request_id": request_id,
                    "effect_id": effect_id,
                    "prompt": f"prompt of {request_id}",
                    "prompt_sha256": hashlib.sha256(request_id.encode()).hexdigest(),
                    "seed": shot_id * 10 + attempt,
                    "weights_sha256": WEIGHTS,
                    "model": MODEL,
                    "object_key": key,
                    "sha256": sha256,
                    "bytes": len(data),
                    "width": width,
                    "height": height,
                    "content_type": "image/jpeg",
                    "phash": shot_id,
                    "phash_bits": f"{shot_id:064b}",
                    "sharpness": 400.0,
                    "identity_score": 0.9,
                    "identity_scorer": "appearance",
                    "moderation": PASSES,
                    "selected": True,
                    "usd": Decimal("0.01"),
                    "settled_at": services.clock.now(),
                    **changes,
                }
            )
            .returning(RenderedImage.id)
        ).one()


def give_copy(
    services: Services, avatar: AvatarRef, shot_id: int, platform: str, **changes: Any
) -> int:
    """The chosen words of a shot on a platform; their id."""
    with services.database.begin() as session:
        return session.scalars(
            insert(ContentCopy)
            .values(
                **{
                    "avatar_id": avatar.id,
                    "shot_id": shot_id,
                    "platform": platform,
                    "round": 1,
                    "variant": 1,
                    "outcome": "written",
                    "language": "en",
                    "hook": "Slow mornings",
                    "body": "A stretch by the sea.",
                    "call_to_action": "Which one is yours?",
                    "hashtags": ["#stretching"],
                    "caption": f"Slow mornings.\n\n{disclosure_text(platform, 'en')}",
                    "moderation": PASSES,
                    "chosen": True,
                    "provider": "test",
                    "model": "test",
                    "usd": Decimal("0.002"),
                    **changes,
                }
            )
            .returning(ContentCopy.id)
        ).one()
