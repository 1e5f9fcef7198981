"""Stage `training_datasets`: exactly N accepted images of each avatar, zipped with captions.

Belongs here: which datasets are missing, and what the stage says about each. Does not: making
images (image_pool.py and below), the archive (dataset_publish.py). All missing images of all
avatars are made in one pool; a dataset is zipped while images of others are still being made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from vixen_pipeline.db.models import GeneratedImage, TrainingDataset
from vixen_pipeline.errors import ProviderError, StageFailed
from vixen_pipeline.identity.dataset_checks import DatasetFacts
from vixen_pipeline.identity.dataset_publish import publish_dataset
from vixen_pipeline.identity.dataset_rows import (
    dataset_digest,
    dataset_images,
    newest_datasets,
    text_of,
)
from vixen_pipeline.identity.image_filling import Filling
from vixen_pipeline.identity.image_pool import ImagePool
from vixen_pipeline.identity.image_prompts import refuse_prompts
from vixen_pipeline.identity.image_rows import load_images
from vixen_pipeline.identity.image_tasks import Collection, Slot
from vixen_pipeline.identity.plan import plan_shots
from vixen_pipeline.identity.portraits import current_portraits
from vixen_pipeline.identity.prompts import caption, dataset_prompt
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.stage_run import StageRun, run_stage
from vixen_pipeline.pictures.contact_sheet import markdown_image
from vixen_pipeline.pictures.files import open_picture
from vixen_pipeline.pictures.measuring import Anchor
from vixen_pipeline.pictures.quality import Thresholds
from vixen_pipeline.pictures.scorers import IdentityScorer, build_scorer
from vixen_pipeline.stages import Meta, Progress, StageResult

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

STAGE = "training_datasets"


def run_training_datasets(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    """One complete dataset for each avatar; see `RunStage`."""
    return run_stage(services, STAGE, keys, lambda run: _Stage(run, progress).run())


@dataclass
class _Stage:
    """The body of one run."""

    frame: StageRun
    progress: Progress

    @property
    def services(self) -> Services:
        return self.frame.services

    def run(self) -> None:
        frame = self.frame
        portraits = current_portraits(self.services, frame.avatars)
        for avatar in frame.avatars:
            if avatar.id not in portraits:
                frame.block(avatar, "reference_portraits")
        existing = self._datasets(portraits)
        missing = [each for each in frame.still_open(frame.avatars) if each.id not in existing]
        missing = frame.refuse_failed(missing)
        if missing:
            self._make(missing, portraits)
        datasets = self._datasets(portraits)
        for avatar in frame.still_open(frame.avatars):
            outcome = "unchanged" if avatar.id in existing else "made"
            facts, metadata = self._describe(avatar, datasets[avatar.id])
            frame.complete(avatar, outcome, metadata, facts.checks())

    def _datasets(self, portraits: dict[int, GeneratedImage]) -> dict[int, TrainingDataset]:
        """The dataset of each avatar's present portrait, by avatar id."""
        with self.services.database.begin() as session:
            found = newest_datasets(session, [portrait.id for portrait in portraits.values()])
        return {dataset.avatar_id: dataset for dataset in found.values()}

    def _make(self, avatars: Sequence[AvatarRef], portraits: dict[int, GeneratedImage]) -> None:
        frame, services = self.frame, self.services
        try:
            model = services.images.check_model(services.settings.replicate_identity_model)
        except ProviderError as error:
            frame.fail_all(avatars, error)
            return
        scorer = build_scorer(services.settings)
        by_avatar = {
            avatar.id: self._collection(avatar, portraits[avatar.id], model) for avatar in avatars
        }
        allowed = refuse_prompts(frame, list(by_avatar.values()))
        fillings = [Filling(services, each, self._anchor(scorer, each)) for each in allowed]
        publish = partial(self._publish, portraits)
        ImagePool(services, fillings, self.progress, publish).run()
        for filling in fillings:
            self._report_failure(filling)

    def _publish(self, portraits: dict[int, GeneratedImage], filling: Filling) -> None:
        publish_dataset(self.services, portraits[filling.collection.avatar.id].id, filling)

    def _collection(self, avatar: AvatarRef, portrait: GeneratedImage, model: str) -> Collection:
        settings = self.services.settings
        count = settings.dataset_images
        seed = f"{avatar.key}:{avatar.spec.image_seed}"
        slots = tuple(
            Slot(
                shot.number,
                dataset_prompt(avatar.spec, shot),
                dict(shot.as_json()),
                caption(avatar.handle, shot),
            )
            for shot in plan_shots(seed, count)
        )
        return Collection(
            avatar=avatar,
            purpose="dataset",
            stage=STAGE,
            input_digest=dataset_digest(
                portrait, images=count, model=settings.replicate_identity_model
            ),
            model=model,
            slots=slots,
            reference_key=portrait.object_key,
            tries=settings.dataset_tries_per_shot,
        )

    def _anchor(self, scorer: IdentityScorer, collection: Collection) -> Anchor:
        data = self.services.objects.get(collection.reference_key or "")
        return Anchor(scorer, scorer.describe(open_picture(data)))

    def _report_failure(self, filling: Filling) -> None:
        error = filling.failure()
        if error is None:
            return
        if not isinstance(error, StageFailed):
            self.frame.fail(filling.collection.avatar, error)
            return
        with self.services.database.begin() as session:
            rows = load_images(session, filling.collection)
        facts = self._facts(rows, len(filling.collection.slots), filling.anchor.scorer.name)
        self.frame.fail(
            filling.collection.avatar, error, checks=facts.checks(), metadata=facts.figures()
        )

    def _facts(self, rows: Sequence[GeneratedImage], wanted: int, scorer: str) -> DatasetFacts:
        return DatasetFacts(rows, Thresholds(), scorer, wanted)

    def _describe(
        self, avatar: AvatarRef, dataset: TrainingDataset
    ) -> tuple[DatasetFacts, dict[str, Meta]]:
        with self.services.database.begin() as session:
            rows = dataset_images(session, dataset)
        scorer = text_of(dataset.manifest, "identity_scorer")
        facts = self._facts(rows, dataset.image_count, scorer)
        sheet = self.services.objects.get(text_of(dataset.manifest, "contact_sheet_key"))
        return facts, {
            "contact_sheet": Meta("markdown", markdown_image(sheet, avatar.key)),
            **facts.figures(),
            "archive_key": Meta("text", dataset.archive_key),
            "archive_sha256": Meta("text", dataset.archive_sha256),
            "archive_bytes": Meta("int", dataset.archive_bytes),
            "usd": Meta("usd", self.frame.stage_cost(avatar)),
        }
