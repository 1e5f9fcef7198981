"""An avatar taken from step to step of content by rows alone: no provider, no picture.

Belongs here: writing what each stage would write, as little of it as the views need. Does not:
fixtures, assertions, any stage's work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy import insert, text, update
from sqlalchemy.orm import Session

from vixen_pipeline.content.stages_list import CONTENT_STAGES
from vixen_pipeline.db.models import (
    ContentCopy,
    ContentPiece,
    ContentPlan,
    ContentShot,
    EffectRow,
    GeneratedImage,
    LoraTraining,
    LoraWeights,
    RenderedImage,
    TrainingDataset,
    WeightsExam,
)
from vixen_pipeline.identity.registry import AvatarRef, avatar_refs
from vixen_pipeline.services import Services
from vixen_pipeline.stages import Progress, StageResult, StageSpec

SHOTS = 2
PLATFORMS = ("instagram", "tiktok")


def give_weights(services: Services, avatar: AvatarRef) -> int:
    """Verified weights of the avatar's present looks; returns their id."""
    with services.database.begin() as session:
        portrait = session.scalars(
            text(
                "SELECT id FROM vixen.generated_images"
                " WHERE avatar_id = :a AND purpose = 'portrait'"
            ),
            {"a": avatar.id},
        ).first()
        if portrait is None:
            portrait = _portrait(services, session, avatar)
        dataset = _add(
            session,
            TrainingDataset,
            avatar_id=avatar.id,
            input_digest=_unique(session),
            portrait_id=portrait,
            image_count=1,
            manifest={},
            archive_key="datasets/x.zip",
            archive_sha256="0" * 64,
            archive_bytes=1,
        )
        return retrained(services, session, avatar, dataset)


def retrained(services: Services, session: Session, avatar: AvatarRef, dataset: int) -> int:
    """Another training of the same dataset, with verified weights."""
    now = services.clock.now()
    training = _add(
        session,
        LoraTraining,
        avatar_id=avatar.id,
        dataset_id=dataset,
        settings_digest=_unique(session),
        settings={},
        effect_id=_effect(services, session, avatar),
        remote_id=_unique(session),
        status="succeeded",
        estimate_usd=1,
        next_poll_at=now,
        deadline=now,
        completed_at=now,
    )
    return _add(session, LoraWeights, avatar_id=avatar.id, training_id=training)


def give_exam(services: Services, session: Session, avatar: AvatarRef) -> None:
    """The newest weights pass."""
    status = session.execute(
        text("SELECT weights_id, portrait_id FROM report.identity_status WHERE avatar_id = :a"),
        {"a": avatar.id},
    ).one()
    _add(
        session,
        WeightsExam,
        avatar_id=avatar.id,
        weights_id=status.weights_id,
        portrait_id=status.portrait_id,
        sha256="1" * 64,
        object_key="weights/x",
        exam_digest="d",
        scorer="appearance",
        images=4,
        identity_mean=0.9,
        identity_p10=0.88,
        diversity=31.0,
        nearest_training=15,
        scores={"asked": 4, "identity": [0.9] * 4, "nearest": [15] * 4, "flagged": []},
        chosen=True,
        completed_at=services.clock.now(),
    )


def give_plan(services: Services, session: Session, avatar: AvatarRef) -> None:
    """A planned plan of two shots."""
    number = session.scalars(
        text("SELECT count(*) + 1 FROM vixen.content_plans WHERE avatar_id = :a"), {"a": avatar.id}
    ).one()
    plan = _add(
        session,
        ContentPlan,
        avatar_id=avatar.id,
        number=number,
        count=SHOTS,
        mix={"public": SHOTS},
        platforms=list(PLATFORMS),
        formats={},
        seed=1,
        requested_by="test",
        planned_at=services.clock.now(),
    )
    for position in range(SHOTS):
        _add(
            session,
            ContentShot,
            avatar_id=avatar.id,
            plan_id=plan,
            position=position,
            scene=0,
            tier="public",
            template="t",
            choices={},
            prompt="p",
            negative_prompt="",
            prompt_sha256=_unique(session),
            seed=position,
            embedding=[0.0] * 1535 + [1.0],
            embedding_model="test",
            moderation={},
        )


def give_images(services: Services, session: Session, avatar: AvatarRef) -> None:
    for shot, _ in _open_shots(session, avatar):
        _add(
            session,
            RenderedImage,
            avatar_id=avatar.id,
            shot_id=shot,
            attempt=1,
            request_id=f"shot:{shot}",
            effect_id=_effect(services, session, avatar),
            prompt="p",
            prompt_sha256=_unique(session),
            seed=shot,
            weights_sha256="1" * 64,
            selected=True,
        )


def give_copies(services: Services, session: Session, avatar: AvatarRef) -> None:
    for shot, _ in _open_shots(session, avatar):
        for platform in PLATFORMS:
            words = {"caption": "c", "provider": "p", "model": "m", "language": "en"}
            session.execute(
                insert(ContentCopy).values(
                    avatar_id=avatar.id,
                    shot_id=shot,
                    platform=platform,
                    round=1,
                    variant=1,
                    outcome="written",
                    chosen=True,
                    **words,
                )
            )


def give_pieces(services: Services, session: Session, avatar: AvatarRef) -> None:
    for shot, plan in _open_shots(session, avatar):
        image = session.scalars(
            text("SELECT id FROM vixen.rendered_images WHERE shot_id = :s AND selected"),
            {"s": shot},
        ).one()
        session.execute(
            insert(ContentPiece).values(
                avatar_id=avatar.id,
                plan_id=plan,
                key=f"still:{image}",
                format="still",
                shot_id=shot,
                image_id=image,
                declared_tier="public",
                tier="public",
                state="auto_approved",
                disclosure={},
                lineage={},
                usd=0,
            )
        )
        session.execute(
            update(ContentPlan)
            .where(ContentPlan.id == plan)
            .values(completed_at=services.clock.now())
        )


Give = Callable[[Services, Session, AvatarRef], None]
GIVES: dict[str, Give] = {
    "weights_exams": give_exam,
    "content_plans": give_plan,
    "content_images": give_images,
    "content_copy": give_copies,
    "content_pieces": give_pieces,
}


def row_stages(before: Callable[[str, Sequence[str]], list[StageResult] | None]) -> list[StageSpec]:
    """The content stages by name; each writes its rows unless `before` has results or raises."""
    return [_row_stage(stage.name, before) for stage in CONTENT_STAGES]


def _row_stage(
    name: str, before: Callable[[str, Sequence[str]], list[StageResult] | None]
) -> StageSpec:
    def run(services: Services, keys: Sequence[str], progress: Progress) -> list[StageResult]:
        said = before(name, keys)
        if said is not None:
            return said
        avatars = avatar_refs(services, keys)
        with services.database.begin() as session:
            for key in keys:
                GIVES[name](services, session, avatars[key])
        return [StageResult(key, "made") for key in keys]

    return StageSpec(name, "content", (), "rows", "team:content", (), (), (), run)


def _portrait(services: Services, session: Session, avatar: AvatarRef) -> int:
    return _add(
        session,
        GeneratedImage,
        avatar_id=avatar.id,
        purpose="portrait",
        input_digest=avatar.appearance_digest,
        slot=0,
        attempt=1,
        effect_id=_effect(services, session, avatar),
        model="m",
        prompt="p",
        seed=1,
        shot={},
        selected=True,
    )


def _open_shots(session: Session, avatar: AvatarRef) -> list[tuple[int, int]]:
    rows = session.execute(
        text(
            "SELECT s.id, p.id FROM vixen.content_plans p JOIN vixen.content_shots s"
            " ON s.plan_id = p.id WHERE p.avatar_id = :a AND p.completed_at IS NULL ORDER BY s.id"
        ),
        {"a": avatar.id},
    )
    return [(row[0], row[1]) for row in rows]


def _effect(services: Services, session: Session, avatar: AvatarRef) -> int:
    return _add(
        session,
        EffectRow,
        kind="test",
        provider="test",
        avatar_id=avatar.id,
        key=_unique(session),
        request={},
        request_digest="d",
        deadline_s=60,
        deadline=services.clock.now() + timedelta(seconds=60),
        state="confirmed",
    )


def _add(session: Session, table: type, **values: object) -> int:
    return session.execute(insert(table).values(**values).returning(table.id)).scalar_one()


def _unique(session: Session) -> str:
    return session.scalars(text("SELECT gen_random_uuid()::text")).one()
