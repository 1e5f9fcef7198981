"""Stage `reference_portraits`: the one picture that everything later is anchored on.

Belongs here: which portraits are missing, and what the stage says about each. Does not: making and
measuring images (image_pool.py and below). Plain text-to-image from the spec's appearance; the
prompt passes the policy and moderation first, and the image passes moderation before it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from vixen_pipeline.db.models import GeneratedImage
from vixen_pipeline.errors import ProviderError
from vixen_pipeline.identity.image_filling import Filling
from vixen_pipeline.identity.image_pool import ImagePool
from vixen_pipeline.identity.image_prompts import refuse_prompts
from vixen_pipeline.identity.image_tasks import Collection, Slot
from vixen_pipeline.identity.prompts import portrait_prompt
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.stage_run import StageRun, run_stage
from vixen_pipeline.pictures.contact_sheet import PREVIEW, contact_sheet, markdown_image
from vixen_pipeline.pictures.measuring import Anchor
from vixen_pipeline.pictures.scorers import build_scorer
from vixen_pipeline.stages import Check, Meta, Progress, StageResult

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

STAGE = "reference_portraits"


def run_reference_portraits(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    """One accepted portrait for each avatar; see `RunStage`."""
    return run_stage(services, STAGE, keys, lambda run: _run(run, progress))


def current_portraits(
    services: Services, avatars: Sequence[AvatarRef]
) -> dict[int, GeneratedImage]:
    """The accepted portrait of each avatar's present appearance, by avatar id."""
    with services.database.begin() as session:
        return select_portraits(session, avatars)


def select_portraits(session: Session, avatars: Sequence[AvatarRef]) -> dict[int, GeneratedImage]:
    """The same, in the caller's transaction."""
    digests = {avatar.id: avatar.appearance_digest for avatar in avatars}
    rows = session.scalars(
        select(GeneratedImage).where(
            GeneratedImage.avatar_id.in_(digests),
            GeneratedImage.purpose == "portrait",
            GeneratedImage.selected,
        )
    )
    return {row.avatar_id: row for row in rows if row.input_digest == digests[row.avatar_id]}


def _run(run: StageRun, progress: Progress) -> None:
    existing = current_portraits(run.services, run.avatars)
    missing = [avatar for avatar in run.avatars if avatar.id not in existing]
    run.require_persona(missing)
    missing = run.refuse_failed(run.still_open(missing))
    if missing:
        _make(run, missing, progress)
    made = current_portraits(run.services, run.still_open(run.avatars))
    for avatar in run.still_open(run.avatars):
        outcome = "unchanged" if avatar.id in existing else "made"
        row = made[avatar.id]
        run.complete(avatar, outcome, _metadata(run, avatar, row), _checks(row))


def _make(run: StageRun, avatars: Sequence[AvatarRef], progress: Progress) -> None:
    services = run.services
    try:
        model = services.images.check_model(services.settings.replicate_portrait_model)
    except ProviderError as error:
        run.fail_all(avatars, error)
        return
    anchor = Anchor(build_scorer(services.settings), None, is_portrait=True)
    collections = [_collection(run, avatar, model) for avatar in avatars]
    collections = refuse_prompts(run, collections)
    fillings = [Filling(services, collection, anchor) for collection in collections]
    ImagePool(services, fillings, progress).run()
    for filling in fillings:
        error = filling.failure()
        if error is not None:
            run.fail(filling.collection.avatar, error)


def _collection(run: StageRun, avatar: AvatarRef, model: str) -> Collection:
    return Collection(
        avatar=avatar,
        purpose="portrait",
        stage=STAGE,
        input_digest=avatar.appearance_digest,
        model=model,
        slots=(Slot(0, portrait_prompt(avatar.spec), {}, None),),
        reference_key=None,
        tries=run.services.settings.dataset_tries_per_shot,
    )


def _metadata(run: StageRun, avatar: AvatarRef, row: GeneratedImage) -> dict[str, Meta]:
    data = run.services.objects.get(row.object_key or "")
    preview = markdown_image(contact_sheet([lambda: data], side=PREVIEW), avatar.key)
    return {
        "preview": Meta("markdown", preview),
        "model": Meta("text", row.model),
        "seed": Meta("int", row.seed),
        "width": Meta("int", row.width or 0),
        "height": Meta("int", row.height or 0),
        "sharpness": Meta("float", row.sharpness),
        "tries": Meta("int", row.attempt),
        "object_key": Meta("text", row.object_key or ""),
        "usd": Meta("usd", run.stage_cost(avatar)),
    }


def _shown(measured: float | None) -> str:
    return "not measured" if measured is None else f"{measured:.0f}"


def _checks(row: GeneratedImage) -> tuple[Check, ...]:
    flagged = (row.moderation or {}).get("flagged")
    return (
        Check(
            "portrait_usable",
            row.unusable is None and row.object_key is not None,
            f"{row.width}x{row.height} pixels, sharpness {_shown(row.sharpness)}.",
        ),
        Check(
            "portrait_moderated",
            None if flagged is None else not flagged,
            "The moderator has seen the image and flags nothing.",
        ),
    )
