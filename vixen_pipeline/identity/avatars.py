"""The stage `avatars`: what was landed is registered, and still fits the policy of today.

Belongs here: the stage. Does not: landing and registering themselves (registry).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vixen_pipeline.errors import PolicyRefused
from vixen_pipeline.identity.digests import spec_digest
from vixen_pipeline.identity.landed_specs import unusable_specs
from vixen_pipeline.identity.registry import AvatarRef, register_landed
from vixen_pipeline.identity.spec_consents import consents_on_record
from vixen_pipeline.identity.spec_errors import show_path
from vixen_pipeline.identity.spec_policy import Consents, policy_problems
from vixen_pipeline.identity.stage_run import StageRun, run_stage
from vixen_pipeline.stages import Check, Meta, Progress, StageProgress, StageResult

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

STAGE = "avatars"
SPEC_POLICY = "spec_policy"


def run_avatars(services: Services, keys: Sequence[str], progress: Progress) -> list[StageResult]:
    """Register what is landed, then one result per key; an unknown key fails with that sentence."""
    registered = set(register_landed(services))

    def body(run: StageRun) -> None:
        with services.database.begin() as session:
            consents = consents_on_record(session)
            unusable = unusable_specs(session)
        for avatar in run.avatars:
            if avatar.key in unusable:
                run.fail(avatar, unusable[avatar.key], metadata=_metadata(avatar))
                continue
            _finish(run, avatar, consents, new=avatar.key in registered)
            progress(StageProgress(STAGE, avatar.key, 1, 1))

    return run_stage(services, STAGE, keys, body)


def _finish(run: StageRun, avatar: AvatarRef, consents: Consents, *, new: bool) -> None:
    """The word lists grow and consents are looked up anew: what was landed may be refused today."""
    breaches = [
        f"{show_path(path)}: {reason}"
        for path, reason in policy_problems(avatar.spec.document(), consents)
    ]
    check = Check(
        SPEC_POLICY,
        passed=not breaches,
        description="; ".join(breaches) or "No wording of the spec breaks the avatar policy.",
    )
    if breaches:
        error = PolicyRefused(
            "spec",
            f"the spec of {avatar.key} breaks the policy: {check.description}.",
            next_step="Change the spec and `vixen avatar add` it again.",
        )
        run.fail(avatar, error, checks=(check,), metadata=_metadata(avatar))
        return
    run.complete(avatar, "made" if new else "unchanged", _metadata(avatar), (check,))


def _metadata(avatar: AvatarRef) -> dict[str, Meta]:
    return {
        "name": Meta("text", avatar.display_name),
        "niche": Meta("text", avatar.niche),
        "handle": Meta("text", avatar.handle),
        "spec_version": Meta("int", avatar.spec_version),
        "spec_digest": Meta("text", spec_digest(avatar.spec)),
        "created_at": Meta("timestamp", avatar.created_at),
    }
