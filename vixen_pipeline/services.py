"""The composed core: settings in, services out, each made on first use.

Belongs here: wiring. Does not: behaviour. Anything may be replaced in the constructor, which is
how tests inject fakes; nothing is a global. Provider modules are imported when first used, so that
having services costs no SDK import.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypedDict, Unpack

from vixen_pipeline.clock import Clock, SystemClock
from vixen_pipeline.costs import Costs, PriceBook
from vixen_pipeline.db.session import Database
from vixen_pipeline.effects import Effects
from vixen_pipeline.inbox import Inbox
from vixen_pipeline.locks import ProcessLocks, ProviderSlots
from vixen_pipeline.settings import Settings

if TYPE_CHECKING:
    from vixen_pipeline.providers.inference_ports import ImageInference, VideoModel
    from vixen_pipeline.providers.ports import (
        Embedder,
        ImageModel,
        Moderator,
        ObjectStore,
        TextModel,
        Trainer,
    )


class Replacements(TypedDict, total=False):
    """What the constructor takes instead of making it. The giver closes what it gave."""

    database: Database
    effects: Effects
    costs: Costs
    text: TextModel
    embedder: Embedder
    moderator: Moderator
    images: ImageModel
    inference: ImageInference
    video: VideoModel
    trainer: Trainer
    objects: ObjectStore


class Services:
    """One per process edge (a run, a command, a test). `close` gives everything back."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        run_id: str | None = None,
        **replacements: Unpack[Replacements],
    ) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.run_id = run_id
        self._given = frozenset(replacements)
        self.__dict__.update(replacements)  # where cached_property looks first

    # ---- our own state --------------------------------------------------------------------------

    @cached_property
    def database(self) -> Database:
        if self.settings.database_url is not None:
            return Database(self.settings.database_url.get_secret_value())
        from vixen_pipeline.db import embedded

        return Database(embedded.ensure_running(self.settings.postgres_dir))

    @cached_property
    def locks(self) -> ProcessLocks:
        return ProcessLocks(self.database)

    @cached_property
    def slots(self) -> ProviderSlots:
        """`replicate`: predictions, trainings; `text`: language, moderation; `modal`: inference."""
        limits = {
            "replicate": self.settings.replicate_concurrency,
            "text": self.settings.text_concurrency,
            "modal": self.settings.modal_concurrency,
        }
        return ProviderSlots(self.locks, limits)

    @cached_property
    def effects(self) -> Effects:
        return Effects(self.database, self.locks, self.clock, self.settings)

    @cached_property
    def inbox(self) -> Inbox:
        return Inbox(self.database, self.clock)

    @cached_property
    def costs(self) -> Costs:
        return Costs(self.database, PriceBook.load(), self.settings, self.clock, self.run_id)

    # ---- the outside world ----------------------------------------------------------------------

    @cached_property
    def text(self) -> TextModel:
        from vixen_pipeline.providers.text import build_text_model

        return build_text_model(self.settings)

    @cached_property
    def embedder(self) -> Embedder:
        from vixen_pipeline.providers.embeddings import build_embedder

        return build_embedder(self.settings)

    @cached_property
    def moderator(self) -> Moderator:
        from vixen_pipeline.providers.moderation import build_moderator

        return build_moderator(self.settings)

    @cached_property
    def images(self) -> ImageModel:
        from vixen_pipeline.providers.replicate_images import build_image_model

        return build_image_model(self.settings)

    @cached_property
    def inference(self) -> ImageInference:
        from vixen_pipeline.providers.modal_inference import build_image_inference

        return build_image_inference(self.settings)

    @cached_property
    def video(self) -> VideoModel:
        from vixen_pipeline.providers.slideshow import build_video_model

        return build_video_model(self.settings)

    @cached_property
    def trainer(self) -> Trainer:
        from vixen_pipeline.providers.replicate_training import build_trainer

        return build_trainer(self.settings)

    @cached_property
    def objects(self) -> ObjectStore:
        from vixen_pipeline.providers.objects import build_object_store

        return build_object_store(self.settings)

    # ---- the end --------------------------------------------------------------------------------

    def close(self) -> None:
        """Close what was made here, not what was given."""
        made = self.__dict__.keys() - self._given
        if "slots" in made:
            self.slots.close()
        if "locks" in made:
            self.locks.close()
        if "database" in made:
            self.database.dispose()

    def __enter__(self) -> Services:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
