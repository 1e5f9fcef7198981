"""The rows of generated images. Belongs here: every statement on vixen.generated_images.

Does not: choosing (image_selection.py). A row is committed in one transaction with its effect's
end, its cost and the change of selection that it causes: a kill leaves all of it or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from vixen_pipeline.costs import PaidCall
from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import GeneratedImage
from vixen_pipeline.identity.image_costs import billed, expected_images
from vixen_pipeline.identity.image_making import MadeImage
from vixen_pipeline.identity.image_selection import Candidate, Selection
from vixen_pipeline.identity.image_tasks import Collection, ImageTask
from vixen_pipeline.pictures.measuring import Measurements
from vixen_pipeline.pictures.quality import Measured, Thresholds, verdict

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

_MEASURED = (
    "unusable", "sha256", "bytes", "width", "height", "content_type", "phash", "sharpness",
    "identity_score", "identity_scorer",
)  # fmt: skip


def load_images(session: Session, collection: Collection) -> list[GeneratedImage]:
    """All images ever made for a collection, by slot and attempt."""
    return list(
        session.scalars(
            select(GeneratedImage)
            .where(
                GeneratedImage.avatar_id == collection.avatar.id,
                GeneratedImage.purpose == collection.purpose,
                GeneratedImage.input_digest == collection.input_digest,
            )
            .order_by(GeneratedImage.slot, GeneratedImage.attempt)
        )
    )


def candidate_of(row: GeneratedImage, thresholds: Thresholds, scorer: str) -> Candidate:
    """The row as the selection sees it: judged now, by the thresholds in force."""
    # The model's columns are descriptors, which the checker does not see as plain values.
    reasons = tuple(verdict(cast("Measured", row), thresholds, scorer=scorer))
    return Candidate(row.id, row.slot, row.attempt, row.phash, reasons)


def save_image(
    services: Services, made: MadeImage, choose: Callable[[GeneratedImage], Selection]
) -> GeneratedImage | None:
    """Commit one image with the end of its effect, its cost and the selection it leads to.

    `choose` is asked once for the selection with the new row in it. None when the row exists
    already (another process committed it): nothing was changed then.
    """
    with services.database.begin() as session:
        row = _insert(session, services, made)
        if row is None:
            return None
        _settle(services, session, made)
        apply_selection(session, made.task.collection, choose(row))
    return row


def _insert(session: Session, services: Services, made: MadeImage) -> GeneratedImage | None:
    statement = (
        insert(GeneratedImage)
        .values(**_values(made), created_at=services.clock.now())
        .on_conflict_do_nothing()
        .returning(GeneratedImage)
    )
    return session.scalars(statement).first()


def _values(made: MadeImage) -> Json:
    task: ImageTask = made.task
    measured = asdict(made.measured)
    return {
        "avatar_id": task.collection.avatar.id,
        "purpose": task.collection.purpose,
        "input_digest": task.collection.input_digest,
        "slot": task.slot.number,
        "attempt": task.attempt,
        "effect_id": made.effect.id,
        "model": str(made.effect.request["model"]),
        "prompt": str(made.effect.request["prompt"]),
        "seed": int(made.effect.request["seed"]),
        "shot": task.slot.shot,
        "caption": task.slot.caption,
        "object_key": made.object_key,
        "moderation": made.moderation,
        **{name: measured[name] for name in _MEASURED},
    }


def _settle(services: Services, session: Session, made: MadeImage) -> None:
    failed = made.job.status != "succeeded"
    result: Json = {"object_key": made.object_key, "sha256": made.measured.sha256}
    services.effects.settle(
        made.effect.id,
        result=None if failed else result,
        error=made.measured.unusable if failed else None,
        session=session,
    )
    collection = made.task.collection
    usages = billed(made.job, otherwise=expected_images(collection.model, 1))
    call = PaidCall(
        key=made.effect.key,
        avatar_id=collection.avatar.id,
        effect_id=made.effect.id,
        batch=collection.stage,
        usages=usages,
    )
    services.costs.record([call], session=session)


def apply_selection(session: Session, collection: Collection, selection: Selection) -> None:
    """Make `selected` say what `selection` says, for this collection."""
    mine = (
        GeneratedImage.avatar_id == collection.avatar.id,
        GeneratedImage.purpose == collection.purpose,
        GeneratedImage.input_digest == collection.input_digest,
    )
    wanted: Sequence[int] = sorted(selection.chosen_ids)
    # First out, then in: at no time has a slot two.
    session.execute(
        update(GeneratedImage)
        .where(*mine, GeneratedImage.selected, GeneratedImage.id.not_in(wanted))
        .values(selected=False)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(GeneratedImage)
        .where(*mine, ~GeneratedImage.selected, GeneratedImage.id.in_(wanted))
        .values(selected=True)
        .execution_options(synchronize_session=False)
    )


def save_measurements(
    session: Session, image_id: int, measured: Measurements, moderation: Json | None
) -> None:
    """Measurements that were missing, taken from the stored image; what was moderated stays."""
    values: Json = {name: value for name, value in asdict(measured).items() if name in _MEASURED}
    if moderation is not None:
        values["moderation"] = moderation
    session.execute(
        update(GeneratedImage)
        .where(GeneratedImage.id == image_id)
        .values(values)
        .execution_options(synchronize_session=False)
    )


def unmeasured(rows: Iterable[GeneratedImage], scorer: str) -> list[GeneratedImage]:
    """Stored images that lack what can still be measured: moderation, or this scorer's score."""
    return [
        row
        for row in rows
        if row.unusable is None
        and row.object_key is not None
        and (row.moderation is None or row.identity_scorer != scorer)
    ]
