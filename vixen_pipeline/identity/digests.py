"""Digests of what things are made from. Belongs here: canonical JSON and its SHA-256.

Does not: digests of files or images. A digest decides whether work is done already, so what
goes in is written out field by field: a new price list must not rewrite a persona.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vixen_pipeline.identity.spec import AvatarSpec

PERSONA_PROMPT_VERSION = 1
"""Raise it when the persona prompt or schema changes: every persona is then written again."""

Digestible = str | int | bool | None | Mapping[str, "Digestible"] | Sequence["Digestible"]


def canonical_json(value: object) -> str:
    """One spelling per value: sorted keys, no spaces, non-ASCII kept. Floats are refused."""
    _refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: object) -> str:
    """SHA-256 (64 hex digits) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def spec_digest(spec: AvatarSpec) -> str:
    """Digest of a whole spec; two files that say the same have the same."""
    return digest(spec.document())


def persona_digest(spec: AvatarSpec) -> str:
    """Digest of what the persona is written from."""
    return digest(
        {
            "prompt_version": PERSONA_PROMPT_VERSION,
            "handle": spec.handle,
            "niche": spec.niche,
            "name": spec.name,
            "age": spec.age,
            "pronouns": spec.pronouns,
            "personality": spec.personality.model_dump(mode="json"),
            "location": spec.location,
            "locale": spec.locale,
            "languages": spec.spoken_languages,
        }
    )


def appearance_digest(spec: AvatarSpec) -> str:
    """Digest of what the avatar's looks are drawn from."""
    return digest(
        {
            "handle": spec.handle,
            "age": spec.age,
            "appearance": spec.appearance.model_dump(mode="json"),
            "seed": spec.image_seed,
        }
    )


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError("a float has no single spelling: use Decimal as text, or an integer")
    if isinstance(value, Mapping):
        for item in value.values():  # pyright: ignore[reportUnknownVariableType]
            _refuse_floats(item)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, (list, tuple)):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            _refuse_floats(item)  # pyright: ignore[reportUnknownArgumentType]
