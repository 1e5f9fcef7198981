"""A plan with stills, written straight to the tables. Belongs here: set-up for composed formats.

Does not: assertions. Pictures are small drawings of our own, so that no provider is needed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from decimal import Decimal

from PIL import Image, ImageDraw
from sqlalchemy import func, insert

from vixen_pipeline.db.models import (
    ContentPiece,
    ContentPlan,
    ContentShot,
    EffectRow,
    PieceFile,
    RenderedImage,
)
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.services import Services

Shot = tuple[int, str, str]
"""Scene, tier, state of one still."""


def picture(number: int, width: int = 270, height: int = 480) -> bytes:
    """A JPEG that differs from every other number's."""
    image = Image.new("RGB", (width, height), (40 + number * 37 % 160, 90, 160))
    draw = ImageDraw.Draw(image)
    for step in range(8):
        x, y = (number * 53 + step * 31) % width, (number * 29 + step * 57) % height
        draw.ellipse((x, y, x + 60, y + 60), fill=(250 - step * 20, 60 + step * 20, number % 250))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def add_plan(
    services: Services, avatar: AvatarRef, shots: Sequence[Shot], formats: dict[str, int]
) -> tuple[int, list[int]]:
    """A plan whose stills are there; its id and the ids of its pieces in order."""
    with services.database.begin() as session:
        number = 1 + session.query(func.count(ContentPlan.id)).scalar()
        plan_id = session.scalars(
            insert(ContentPlan)
            .values(
                avatar_id=avatar.id,
                number=number,
                count=len(shots),
                mix={"public": len(shots)},
                platforms=["instagram", "tiktok"],
                formats=formats,
                seed=7,
                requested_by="test",
                planned_at=services.clock.now(),
            )
            .returning(ContentPlan.id)
        ).one()
    return plan_id, [
        add_still(services, avatar, plan_id, position, shot) for position, shot in enumerate(shots)
    ]


def add_still(
    services: Services, avatar: AvatarRef, plan_id: int, position: int, shot: Shot
) -> int:
    """One still with its image and vertical rendition; the id of its piece."""
    scene, tier, state = shot
    data = picture(position)
    mark = f"{plan_id}-{position}"
    digest = hashlib.sha256(mark.encode()).hexdigest()
    stored = services.objects.put(f"pieces/{mark}.jpg", data, "image/jpeg")
    now = services.clock.now()
    with services.database.begin() as session:
        effect_id = session.scalars(
            insert(EffectRow)
            .values(
                kind="content.images", provider="modal", avatar_id=avatar.id, key=mark,
                state="confirmed", request={}, request_digest=digest, deadline_s=60, deadline=now,
                result={"model_digest": "b" * 64},
            )
            .returning(EffectRow.id)
        ).one()  # fmt: skip
        shot_id = session.scalars(
            insert(ContentShot)
            .values(
                avatar_id=avatar.id, plan_id=plan_id, position=position, scene=scene, tier=tier,
                template="test", choices={}, prompt=f"shot {position}", negative_prompt="",
                prompt_sha256=digest, seed=position, embedding=[0.1] * 1536,
                embedding_model="test", moderation={},
            )
            .returning(ContentShot.id)
        ).one()  # fmt: skip
        image_id = session.scalars(
            insert(RenderedImage)
            .values(
                avatar_id=avatar.id, shot_id=shot_id, attempt=1, request_id=mark,
                effect_id=effect_id, prompt=f"shot {position}", prompt_sha256=digest,
                seed=position, weights_sha256="a" * 64, model="sdxl-base-1.0",
                sha256=stored.sha256, selected=True,
            )
            .returning(RenderedImage.id)
        ).one()  # fmt: skip
        piece_id = session.scalars(
            insert(ContentPiece)
            .values(
                avatar_id=avatar.id, plan_id=plan_id, key=f"still:{image_id}", format="still",
                shot_id=shot_id, image_id=image_id, declared_tier=tier, tier=tier, state=state,
                disclosure={"instagram": f"AI {position}"}, lineage={}, usd=Decimal("0.01"),
            )
            .returning(ContentPiece.id)
        ).one()  # fmt: skip
        session.execute(
            insert(PieceFile).values(
                piece_id=piece_id, name="9:16", object_key=stored.key, sha256=stored.sha256,
                bytes=len(data), width=270, height=480, content_type="image/jpeg", credentials={},
            )
        )  # fmt: skip
    return piece_id
