"""A valid avatar spec to change one field of. Belongs here: sample documents. Not: assertions."""

from __future__ import annotations

from typing import Any

from vixen_pipeline.identity.spec import AvatarSpec


def sample_document(**changes: Any) -> dict[str, Any]:
    """The spec of fitness:luna as a plain mapping, with top-level fields replaced."""
    document: dict[str, Any] = {
        "version": 1,
        "handle": "luna",
        "niche": "fitness",
        "name": "Luna Rivers",
        "age": 27,
        "pronouns": "she/her",
        "personality": {
            "traits": ["patient", "dry wit"],
            "tone": "warm and direct",
            "interests": ["trail running", "strength training"],
            "goals": ["get beginners moving"],
            "hard_limits": ["never gives medical advice"],
            "prohibited_topics": ["politics"],
        },
        "appearance": {
            "presentation": "woman",
            "hair_color": "copper",
            "hair_style": "long waves",
            "eye_color": "green",
            "skin_tone": "olive",
            "build": "athletic",
            "distinguishing": ["freckles"],
            "style": "minimal sportswear",
            "wardrobe": ["running jacket", "linen shirt"],
        },
        "locale": "en-US",
        "languages": ["en", "pt"],
        "time_zone": "Europe/Lisbon",
        "location": "Lisbon",
        "prices": {
            "currency": "EUR",
            "subscription_monthly_minor": 999,
            "subscription_yearly_minor": 9900,
            "pack_minor": 1900,
            "custom_request_minor": 4900,
        },
    }
    return {**document, **changes}


def sample_spec(**changes: Any) -> AvatarSpec:
    """The spec of fitness:luna, with top-level fields replaced."""
    return AvatarSpec.model_validate(sample_document(**changes))
