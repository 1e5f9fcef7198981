"""What a training is asked to do. Belongs here: its settings, keys and requests, all pure.

Does not: submitting (training_submit.py), rows. Two trainings are the same when dataset, settings
and attempt are: that is the effect's key, and so no crash can start a second one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import TrainingDataset
from vixen_pipeline.effects import Effect, Intent
from vixen_pipeline.identity.digests import digest
from vixen_pipeline.identity.prompts import seed_of, trigger_word
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.providers.ports import TrainingRequest
from vixen_pipeline.settings import Settings

KIND = "identity.training"
PROVIDER = "replicate"
FAMILY = "sdxl"
"""The one model family from training to inference; weights of another are refused."""
STEPS = 1000
RANK = 32
RESOLUTION = 768
WEBHOOK_PATH = "/webhooks/replicate"
SUBMIT_DEADLINE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What changes the result besides the dataset. `trainer` is `owner/name[:version]`."""

    trainer: str
    steps: int
    rank: int
    resolution: int

    @classmethod
    def of(cls, settings: Settings) -> TrainingSettings:
        return cls(settings.replicate_trainer, STEPS, RANK, RESOLUTION)

    @property
    def digest(self) -> str:
        return digest(asdict(self))

    def as_json(self) -> Json:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """One training to be submitted: attempt number `attempt` (from 1)."""

    avatar: AvatarRef
    dataset: TrainingDataset
    settings: TrainingSettings
    attempt: int
    owner: str

    @property
    def key(self) -> str:
        """The effect's permanent key, from the facts alone."""
        parts = (self.dataset.archive_sha256[:32], self.settings.digest[:16], str(self.attempt))
        return f"{KIND}:{self.avatar.key}:{':'.join(parts)}"

    def intent(self, timeout_s: float) -> Intent:
        """The request holds the archive's key, never a presigned URL."""
        trigger = trigger_word(self.avatar.handle)
        request: Json = {
            **self.settings.as_json(),
            "destination": f"{self.owner}/vixen-{self.avatar.niche}-{self.avatar.handle}",
            "archive_key": self.dataset.archive_key,
            "archive_sha256": self.dataset.archive_sha256,
            "trigger_word": trigger,
            "caption_prefix": f"{trigger}, ",
            "seed": seed_of(self.key),
        }
        return Intent(
            kind=KIND,
            key=self.key,
            provider=PROVIDER,
            request=request,
            avatar_id=self.avatar.id,
            deadline=SUBMIT_DEADLINE + timedelta(seconds=timeout_s),
        )


def request_of(effect: Effect, images_url: str, webhook_url: str | None) -> TrainingRequest:
    """The request as it was intended; the two URLs are made for this one call."""
    request = effect.request
    return TrainingRequest(
        trainer=str(request["trainer"]),
        destination=str(request["destination"]),
        images_url=images_url,
        trigger_word=str(request["trigger_word"]),
        caption_prefix=str(request["caption_prefix"]),
        seed=int(request["seed"]),
        steps=int(request["steps"]),
        rank=int(request["rank"]),
        resolution=int(request["resolution"]),
        webhook_url=webhook_url,
    )


def webhook_url(settings: Settings) -> str:
    """Where the provider reports the end of a training."""
    return (settings.public_url or settings.gateway_url).rstrip("/") + WEBHOOK_PATH
