"""Avatars that System 1 has made in the sandbox, for tests of content as a whole.

Belongs here: getting there. Does not: fixtures, assertions.
"""

from __future__ import annotations

from vixen_identity import spec_document
from vixen_testkit import wait_until

from vixen_pipeline.identity.advance import advance
from vixen_pipeline.identity.registry import land_specs
from vixen_pipeline.identity.spec import AvatarSpec, ParsedSpec
from vixen_pipeline.identity.stages_list import IDENTITY_STAGES
from vixen_pipeline.identity.status import avatar_status
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services
from vixen_pipeline.stages import no_progress

READY_S = 120.0


def trained_avatars(services: Services, sandbox: Sandbox, *handles: str) -> list[str]:
    """Keys of avatars that System 1 has made in the sandbox: personas, datasets, weights."""
    sandbox.control.training(seconds=0)
    specs = [
        AvatarSpec.model_validate(spec_document(handle, number))
        for number, handle in enumerate(handles)
    ]
    land_specs(services, [ParsedSpec(spec, "test") for spec in specs])
    keys = [spec.key for spec in specs]

    def all_ready() -> bool:
        advance(services, keys, IDENTITY_STAGES, no_progress, lambda *_: None)
        return all(avatar_status(services, key).status == "ready" for key in keys)

    wait_until(all_ready, seconds=READY_S, every=0.1)
    return keys


PLATFORMS = ("instagram", "tiktok")
