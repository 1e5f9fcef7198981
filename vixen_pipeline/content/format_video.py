"""One slideshow: stills read, video made, signed last, stored. Belongs here: that order.

Does not: choosing, rows, encoding (providers/slideshow.py), manifests (safety/provenance.py).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import select

from vixen_pipeline.content import format_rows as rows
from vixen_pipeline.content.piece_rows import model_digests
from vixen_pipeline.costs.model import PaidCall
from vixen_pipeline.db.models import ContentPiece, RenderedImage
from vixen_pipeline.errors import StageFailed
from vixen_pipeline.providers.inference_ports import VideoRequest
from vixen_pipeline.safety.credentials import load_credentials
from vixen_pipeline.safety.provenance import Ingredient, Origin, sign_file

if TYPE_CHECKING:
    from vixen_pipeline.db.base import Json
    from vixen_pipeline.providers.inference_ports import Video
    from vixen_pipeline.services import Services

WIDTH, HEIGHT = 1080, 1920
SECONDS_PER_STILL = 1.8
SHORTEST_S = 3.0
VERTICAL = "9:16"
CONTENT_TYPE = "video/mp4"
NAME = "video"
_STAGE = "content_pieces"


def slideshow(services: Services, draft: rows.Composite, avatar_key: str) -> rows.Composite:
    """`draft` with its video made, signed and stored, and what it cost.

    Raises StageFailed when a member has no vertical rendition, and what the video maker, the
    object store or the signing raises. The video is made again from the same seed when a process
    dies before the row is written; an object that no row names is harmless.
    """
    members = draft.choice.members
    with services.database.begin() as session:
        keys = rows.file_keys(session, [still.piece_id for still in members], VERTICAL)
    if missing := [still.piece_id for still in members if still.piece_id not in keys]:
        raise StageFailed(
            _STAGE,
            f"{draft.key}: still {missing[0]} has no {VERTICAL} rendition, which a video needs",
            next_step="Plan for a platform with vertical video, or without slideshows.",
        )
    seconds = max(SECONDS_PER_STILL, SHORTEST_S / len(members))
    stills = [services.objects.get(keys[still.piece_id]) for still in members]
    request = VideoRequest(stills, seconds, WIDTH, HEIGHT, _seed(draft))
    video = services.video.make(request)
    paid = _record(services, draft, video)
    origin = _origin(services, draft, avatar_key, video.model)
    return replace(draft, file=_stored(services, video, origin), usd=paid)


def _stored(services: Services, video: Video, origin: Origin) -> Json:
    """The row of the video's file, signed and in the store."""
    signed = sign_file(
        load_credentials(services.settings, services.clock.now()), video.data, CONTENT_TYPE, origin
    )
    sha256 = hashlib.sha256(signed.data).hexdigest()
    stored = services.objects.put(f"pieces/{sha256}.mp4", signed.data, CONTENT_TYPE)
    return {
        "name": NAME,
        "object_key": stored.key,
        "sha256": sha256,
        "bytes": len(signed.data),
        "width": video.width,
        "height": video.height,
        "content_type": CONTENT_TYPE,
        "duration_ms": video.duration_ms,
        "credentials": signed.credentials,
    }


def _seed(draft: rows.Composite) -> int:
    """The motion's own, the same whenever this piece is made."""
    return int.from_bytes(hashlib.sha256(draft.key.encode()).digest()[:4], "big")


def _record(services: Services, draft: rows.Composite, video: Video) -> Decimal:
    """What the video cost, USD; a local one costs nothing."""
    if not video.usage:
        return Decimal(0)
    call = PaidCall(draft.key, draft.plan.avatar_id, None, _STAGE, video.usage)
    services.costs.record([call])
    return services.costs.quote(video.usage)


def _origin(services: Services, draft: rows.Composite, avatar_key: str, maker: str) -> Origin:
    """Its ingredients are the stills' own images, the LoRA and the base model that drew them."""
    ids = [still.piece_id for still in draft.choice.members]
    image = RenderedImage
    with services.database.begin() as session:
        found = session.execute(
            select(
                ContentPiece.id, image.sha256, image.weights_sha256, image.model, image.effect_id
            )
            .join(RenderedImage, RenderedImage.id == ContentPiece.image_id)
            .where(ContentPiece.id.in_(ids))
        ).all()
        digests = model_digests(session, sorted({effect for *_, effect in found}))
    images = {piece_id: digest for piece_id, digest, *_ in found}
    loras = sorted({weights for _, _, weights, _, _ in found})
    models = sorted({(name or "model", digests[e]) for *_, name, e in found if e in digests})
    ingredients = [
        *(Ingredient(name, digest, "model") for name, digest in models),
        *(Ingredient("LoRA of the avatar", digest, "lora") for digest in loras),
        *(
            Ingredient(f"Still {number}", digest, "image")
            for number, piece_id in enumerate(ids, 1)
            if (digest := images.get(piece_id)) is not None
        ),
    ]
    return Origin(
        title=f"Slideshow of {avatar_key}",
        piece=draft.key,
        software=maker,
        made_at=services.clock.now(),
        ingredients=ingredients,
        details={"avatar": avatar_key, "stills": str(len(ids))},
    )
