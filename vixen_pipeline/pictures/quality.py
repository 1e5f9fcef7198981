"""Is an image good enough? Belongs here: measurements of pixels, thresholds, the verdict.

Does not: storing. Raw measurements are kept in the database and the verdict is computed when it
is read, so a threshold can move without measuring again. "Not measured" is never a pass.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from vixen_pipeline.db.base import Json
from vixen_pipeline.pictures.files import Picture
from vixen_pipeline.providers.ports import ModerationResult
from vixen_pipeline.safety.moderation import refusal_reason

TILE = 128
"""Pixels per side of a sharpness tile."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What an image must reach. `identity` holds the least similarity, by scorer name.

    Sharpness: out-of-focus pictures stay below 10 and a small figure before a plain wall reaches
    60 (a close-up 500 and more), so 40 finds blur and lets every framing pass.
    """

    min_short_side: int = 768
    min_sharpness: float = 40.0
    duplicate_bits: int = 8
    identity: Mapping[str, float] = field(default_factory=lambda: dict(IDENTITY_THRESHOLDS))


IDENTITY_THRESHOLDS: dict[str, float] = {"appearance": 0.84, "dlib": 0.875}
"""appearance: between the scores of one person and those of others over the sandbox's drawings
(tests/identity/test_scorers.py). dlib: 1 - distance² / 2 of unit-length face embeddings; 0.875 is
a distance of 0.5, stricter than the 0.6 that dlib's model is published with."""


class Measured(Protocol):
    """The measurements of one image, as `GeneratedImage` holds them."""

    @property
    def unusable(self) -> str | None: ...
    @property
    def object_key(self) -> str | None: ...
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...
    @property
    def phash(self) -> int | None: ...
    @property
    def sharpness(self) -> float | None: ...
    @property
    def identity_score(self) -> float | None: ...
    @property
    def identity_scorer(self) -> str | None: ...
    @property
    def moderation(self) -> Json | None: ...


def verdict(image: Measured, thresholds: Thresholds, *, scorer: str | None) -> list[str]:
    """Why `image` is not accepted, one line each; empty means accepted.

    `scorer` names the identity scorer in force; None asks for no identity (the reference
    portrait itself). Lines start with a stable kind and a colon, e.g. `sharpness: ...`.
    """
    if image.unusable is not None:
        return [f"unusable: {image.unusable}"]
    if image.object_key is None:
        return ["unusable: it was never stored"]
    reasons = [*_size(image, thresholds), *_sharpness(image, thresholds)]
    if image.phash is None:
        reasons.append("duplicate: not measured")
    if scorer is not None:
        reasons += _identity(image, thresholds, scorer)
    reasons += _moderation(image)
    return reasons


def _size(image: Measured, thresholds: Thresholds) -> list[str]:
    if image.width is None or image.height is None:
        return ["size: not measured"]
    short = min(image.width, image.height)
    if short < thresholds.min_short_side:
        return [f"size: {short} px on the short side, at least {thresholds.min_short_side}"]
    return []


def _sharpness(image: Measured, thresholds: Thresholds) -> list[str]:
    if image.sharpness is None:
        return ["sharpness: not measured"]
    # Written so that NaN does not pass.
    if not image.sharpness >= thresholds.min_sharpness:
        return [f"sharpness: {image.sharpness:.0f}, at least {thresholds.min_sharpness:.0f}"]
    return []


def _identity(image: Measured, thresholds: Thresholds, scorer: str) -> list[str]:
    if image.identity_scorer != scorer or image.identity_score is None:
        return [f"identity: not measured by {scorer}"]
    least = thresholds.identity.get(scorer)
    if least is None:
        return [f"identity: no threshold is set for {scorer}"]
    if not image.identity_score >= least:
        return [f"identity: {image.identity_score:.3f} by {scorer}, at least {least:.3f}"]
    return []


def _moderation(image: Measured) -> list[str]:
    stored = image.moderation or {}
    if not isinstance(stored.get("flagged"), bool):
        return ["moderation: not measured"]
    refusal = refusal_reason(moderation_of(stored))
    return [] if refusal is None else [f"moderation: {refusal}"]


def moderation_json(result: ModerationResult) -> Json:
    """A verdict of the moderator as it is stored: raw scores included."""
    return {
        "flagged": result.flagged,
        "categories": list(result.categories),
        "scores": dict(result.scores),
        "model": result.model,
    }


def moderation_of(stored: Json) -> ModerationResult:
    """The verdict back from its stored form."""
    return ModerationResult(
        flagged=bool(stored.get("flagged", True)),
        categories=tuple(str(name) for name in stored.get("categories") or ()),
        scores={str(name): float(value) for name, value in (stored.get("scores") or {}).items()},
        model=str(stored.get("model", "")),
    )


def reason_kinds(reasons: Iterable[str]) -> Counter[str]:
    """How often each kind of reason appears (the part before the colon)."""
    return Counter(reason.split(":", 1)[0] for reason in reasons)


def sharpness_of(picture: Picture) -> float:
    """90th percentile, over tiles, of the variance of the Laplacian of the grey levels.

    A whole-image mean would call a sharp face before a soft background blurred; the sharpest
    tenth of the tiles says whether anything is in focus.
    """
    import numpy as np

    grey = np.asarray(picture.image.convert("L"), dtype=np.int16)
    centre = grey[1:-1, 1:-1] * np.int16(4)
    laplacian = centre - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    tile = min(TILE, *laplacian.shape)
    if tile < 1:
        return 0.0
    rows, columns = laplacian.shape[0] // tile, laplacian.shape[1] // tile
    tiles = laplacian[: rows * tile, : columns * tile].astype(np.float32)
    variances = tiles.reshape(rows, tile, columns, tile).var(axis=(1, 3))
    return float(np.percentile(variances, 90))


def difference_hash(picture: Picture) -> int:
    """The 64-bit dHash as a signed integer, as PostgreSQL's bigint holds it."""
    import imagehash
    from PIL.Image import Resampling

    # Shrunk first: the hash looks at 9x8 cells, and a whole picture would only take longer.
    small = picture.image.resize((144, 128), Resampling.BOX, reducing_gap=2.0)
    bits = imagehash.dhash(small, hash_size=8).hash.flatten()
    value = 0
    for bit in bits:
        value = (value << 1) | int(bit)
    return value - (1 << 64) if value >= 1 << 63 else value


def hash_distance(one: int, other: int) -> int:
    """Number of differing bits of two signed 64-bit hashes."""
    return ((one ^ other) & 0xFFFF_FFFF_FFFF_FFFF).bit_count()


def hash_bits(phash: int) -> str:
    """A signed 64-bit hash as PostgreSQL's bit(64) is written."""
    return f"{phash & 0xFFFF_FFFF_FFFF_FFFF:064b}"
