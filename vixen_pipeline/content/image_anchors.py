"""Whom images must show: each avatar's reference portrait, described. Belongs here: loading them.

Does not: scoring (pictures). Read and described concurrently, because each is an object to fetch.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from vixen_pipeline.errors import NotImage, Permanent
from vixen_pipeline.identity.portraits import current_portraits
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.pictures.files import open_picture
from vixen_pipeline.pictures.measuring import Anchor
from vixen_pipeline.pictures.scorers import IdentityScorer

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

THREADS = 8


def load_anchors(
    services: Services, avatars: Sequence[AvatarRef], scorer: IdentityScorer
) -> dict[int, Anchor]:
    """The anchor of each avatar that has a reference portrait, by avatar id.

    One whose portrait is lost or damaged has an anchor that measures nothing, and stops only its
    own avatar. Raises Unavailable when the store is down.
    """
    portraits = current_portraits(services, avatars)
    keys = {id_: row.object_key or "" for id_, row in portraits.items()}

    def load(object_key: str) -> Anchor:
        try:
            picture = open_picture(services.objects.get(object_key))
        except (NotImage, Permanent) as error:
            log.warning("images.portrait_unusable", object_key=object_key, error=str(error))
            return Anchor(scorer, None)
        return Anchor(scorer, scorer.describe(picture))

    with ThreadPoolExecutor(THREADS, "anchors") as pool:
        return dict(zip(keys, pool.map(load, keys.values()), strict=True))
