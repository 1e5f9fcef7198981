"""Plumbing of the persona tests: registered avatars, a usable answer, fakes.

Belongs here: set-up. Does not: assertions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spec_samples import sample_spec

from vixen_pipeline.db.session import Database
from vixen_pipeline.identity.persona_model import PersonaDraft
from vixen_pipeline.identity.personas import run_personas
from vixen_pipeline.identity.registry import AvatarRef, avatar_refs, land_specs, register_landed
from vixen_pipeline.identity.spec import ParsedSpec
from vixen_pipeline.providers.fakes import FakeEmbedder, FakeModerator, FakeTextModel
from vixen_pipeline.providers.ports import CutOff
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings
from vixen_pipeline.stages import StageResult, no_progress


def draft(**changes: Any) -> PersonaDraft:
    """A persona of fitness:luna that fits and keeps the policy."""
    values: dict[str, Any] = {
        "name": "Luna Rivers",
        "age": 27,
        "location": "Lisbon",
        "biography": "Luna runs the coast path before work and lifts stones on weekends.",
        "backstory": "After years behind a desk Luna took a job at a harbour gym, swept the floor "
        "for a winter, and found that she liked explaining squats more than doing them.",
        "traits": ["patient", "stubborn", "curious"],
        "interests": ["trail running", "tide tables", "bread"],
        "goals": ["run the whole coast path"],
        "tone": "warm and direct",
        "voice": "Short sentences, one question at the end, few emoji.",
        "hard_limits": ["Never gives medical advice"],
        "prohibited_topics": ["politics"],
    }
    return PersonaDraft.model_validate({**values, **changes})


def fake_services(
    settings: Settings,
    database: Database,
    *,
    text: FakeTextModel | None = None,
    embedder: FakeEmbedder | None = None,
    moderator: FakeModerator | None = None,
) -> Services:
    """The real core with fakes in place of the text providers."""
    return Services(
        settings,
        database=database,
        text=text or FakeTextModel(lambda *_: draft()),
        embedder=embedder or FakeEmbedder(),
        moderator=moderator or FakeModerator(),
    )


def register(services: Services, *handles: str, **changes: Any) -> list[AvatarRef]:
    """Avatars of the sample spec under `handles`, registered; in order."""
    parsed = [ParsedSpec(sample_spec(handle=h, **changes), f"{h}.yaml") for h in handles]
    land_specs(services, parsed)
    register_landed(services)
    refs = avatar_refs(services)
    return [refs[item.spec.key] for item in parsed]


KEY = "fitness:luna"
Make = Callable[..., Services]


def run(services: Services, *keys: str) -> list[StageResult]:
    return run_personas(services, keys or (KEY,), no_progress)


def check(result: StageResult, name: str) -> bool | None:
    return next(c.passed for c in result.checks if c.name == name)


def cut_off(raw: str, reason: str = "the answer does not fit") -> CutOff:
    return CutOff(reason, raw, "fake", "fake-text", ())
