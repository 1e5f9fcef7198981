"""Avatars ready to be rendered, planted straight into the tables. Belongs here: making them exist.

Does not: fixtures, assertions. The portrait is drawn, and the LoRA has learnt the same person, so
that the sandbox's inference shows who the portrait shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from safetensors.numpy import save
from sqlalchemy import insert, text
from vixen_identity import add_avatars
from vixen_weights import lora_tensors

from vixen_pipeline.content.images import run_content_images
from vixen_pipeline.db.models import (
    ContentPlan,
    ContentShot,
    EffectRow,
    GeneratedImage,
    LoraTraining,
    LoraWeights,
    TrainingDataset,
    WeightsExam,
)
from vixen_pipeline.effects import Effects
from vixen_pipeline.identity.plan import plan_shots
from vixen_pipeline.identity.prompts import portrait_prompt, trigger_word
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.sandbox.drawing import Order, draw
from vixen_pipeline.sandbox.drawing_look import look_from_prompt
from vixen_pipeline.sandbox.lora_learnt import Learnt, as_metadata
from vixen_pipeline.services import Services
from vixen_pipeline.stages import StageResult, no_progress

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PASSES = {"flagged": False, "categories": [], "scores": {"sexual": 0.01}, "model": "test"}
EXAM = {"asked": 8, "identity": [0.93] * 8, "nearest": [20] * 8, "flagged": []}


class Crash(BaseException):
    """Ends a run as a kill would: nobody catches it on the way."""


def crash_at(services: Services, point: str) -> None:
    """Let the services' effects crash at a checkpoint."""

    def checkpoint(reached: str) -> None:
        if reached == point:
            raise Crash(point)

    services.__dict__["effects"] = Effects(
        services.database, services.locks, services.clock, services.settings, checkpoint=checkpoint
    )


def ready_avatars(
    services: Services, *handles: str, shots: int = 4, look: str | None = None
) -> list[AvatarRef]:
    """Avatars with a portrait, examined weights and an open plan of `shots` shots."""
    avatars = add_avatars(services, *handles)
    for avatar in avatars:
        plant_weights(services, avatar, look)
        plant_plan(services, avatar, shots)
    return avatars


def plant_weights(services: Services, avatar: AvatarRef, look: str | None = None) -> None:
    """Everything that System 1 and the exam leave behind for an avatar."""
    words = look or portrait_prompt(avatar.spec)
    person = look_from_prompt(words)
    picture = draw(Order(portrait_prompt(avatar.spec), 1, 1024, 1024, person))
    portrait_key = f"avatars/{avatar.handle}/portrait.jpg"
    services.objects.put(portrait_key, picture, "image/jpeg")
    lora = save(lora_tensors(rank=4), as_metadata(Learnt(person)) | {"of": avatar.key})
    lora_key, lora_sha = f"avatars/{avatar.handle}/lora.safetensors", _sha(lora)
    services.objects.put(lora_key, lora, "application/octet-stream")
    with services.database.begin() as session:

        def add(table: Any, **values: Any) -> int:
            row = insert(table).values(avatar_id=avatar.id, **values).returning(table.id)
            return int(session.execute(row).scalar_one())

        def effect(name: str) -> int:
            return add(
                EffectRow, kind=name, provider="test", key=f"{name}:{avatar.key}",
                state="confirmed", request={}, request_digest="", deadline_s=1, deadline=NOW,
            )  # fmt: skip

        portrait = add(
            GeneratedImage, purpose="portrait", input_digest=avatar.appearance_digest, slot=0,
            attempt=1, effect_id=effect("portrait"), model="test", prompt="p", seed=1, shot={},
            object_key=portrait_key, sha256=_sha(picture), selected=True,
        )  # fmt: skip
        dataset = add(
            TrainingDataset, input_digest="d", portrait_id=portrait, image_count=1, manifest={},
            archive_key="a", archive_sha256="a", archive_bytes=1,
        )  # fmt: skip
        training = add(
            LoraTraining, dataset_id=dataset, settings_digest="s", settings={},
            effect_id=effect("training"), status="succeeded", estimate_usd=Decimal(0),
            next_poll_at=NOW, deadline=NOW,
        )  # fmt: skip
        weights = add(
            LoraWeights, training_id=training, object_key=lora_key, sha256=lora_sha,
            trigger_word=trigger_word(avatar.handle),
        )  # fmt: skip
        add(
            WeightsExam, weights_id=weights, sha256=lora_sha, object_key=lora_key, exam_digest="e",
            portrait_id=portrait, scorer="appearance", images=8, identity_mean=0.93,
            identity_p10=0.9, diversity=30.0, nearest_training=20, scores=EXAM, chosen=True,
            completed_at=NOW,
        )  # fmt: skip


def plant_plan(
    services: Services, avatar: AvatarRef, shots: int, number: int = 1, seed: int = 0
) -> int:
    """A planned plan; its id. Prompts say nothing of hair, eyes or skin: the LoRA knows."""
    with services.database.begin() as session:
        plan = session.execute(
            insert(ContentPlan)
            .values(
                avatar_id=avatar.id, number=number, count=shots, mix={"public": shots},
                platforms=["instagram"], formats={}, seed=number, requested_by="test",
                planned_at=NOW,
            )
            .returning(ContentPlan.id)
        ).scalar_one()  # fmt: skip
        vector = [0.0] * 1535 + [1.0]
        for shot in plan_shots(f"{avatar.key}:{number}:{seed}", shots):
            prompt = (
                f"photograph of {trigger_word(avatar.handle)}, 27-year-old adult woman, wearing a "
                f"grey sweatshirt, {shot.framing}, {shot.angle}, {shot.expression}, "
                f"{shot.lighting}, {shot.background} background, plan {number}"
            )
            session.execute(
                insert(ContentShot).values(
                    avatar_id=avatar.id, plan_id=plan, position=shot.number, scene=shot.number,
                    tier="public", template="t", choices={}, prompt=prompt, negative_prompt="child",
                    prompt_sha256=_sha(prompt.encode()), seed=1000 * number + shot.number + 1,
                    embedding=vector, embedding_model="test", moderation=PASSES,
                )
            )  # fmt: skip
    return int(plan)


def complete_plan(services: Services, plan: int) -> None:
    with services.database.begin() as session:
        session.execute(
            text("UPDATE vixen.content_plans SET completed_at = :now WHERE id = :id"),
            {"now": NOW + timedelta(days=plan), "id": plan},
        )


def render_all(services: Services, avatars: Sequence[AvatarRef]) -> list[StageResult]:
    """The stage, once."""
    return run_content_images(services, [avatar.key for avatar in avatars], no_progress)


def rows(services: Services, query: str, **values: Any) -> list[Any]:
    with services.database.begin() as session:
        return list(session.execute(text(query), values).all())


def number(services: Services, query: str, **values: Any) -> int:
    with services.database.begin() as session:
        return int(session.scalar(text(query), values) or 0)


def selected(services: Services) -> int:
    return number(services, "SELECT count(*) FROM vixen.rendered_images WHERE selected")


def unusable(services: Services) -> list[str]:
    query = "SELECT unusable FROM vixen.rendered_images WHERE unusable IS NOT NULL ORDER BY id"
    return [row.unusable for row in rows(services, query)]


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
