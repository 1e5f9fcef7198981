"""What the core asks of image inference and of video makers. See ports.py for the rules.

Belongs here: the two protocols and their values. Does not: any implementation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from vixen_pipeline.providers.ports import Usage

# ---- inference ----------------------------------------------------------------------------------

RUNNING = "running"
"""`code` of the Transient that `ImageInference.find` raises while the call still runs."""


@dataclass(frozen=True, slots=True)
class InferencePrompt:
    """One image of a batch. `id` is ours and unique in the batch: answers are tied by it."""

    id: str
    prompt: str
    negative_prompt: str
    seed: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class InferenceWeights:
    """A LoRA, and the trained tokens of its trigger word where there are any.

    The URLs are presigned for the one call and kept nowhere; the digests are hex SHA-256.
    `trigger_word` is what prompts call the person; the endpoint puts the trained tokens in its
    place (the trainer learnt them under names of their own), so with embeddings it is needed.
    """

    url: str
    sha256: str
    embeddings_url: str | None = None
    embeddings_sha256: str | None = None
    trigger_word: str | None = None


@dataclass(frozen=True, slots=True)
class InferenceBatch:
    """What came back: every id asked for is either in `images` (bytes) or in `failed` (reason).

    `model_digest` names the exact base model (Content Credentials cite it).
    """

    images: Mapping[str, bytes]
    failed: Mapping[str, str]
    model: str
    usage: tuple[Usage, ...]
    model_digest: str | None = None


class ImageInference(Protocol):
    """Text-to-image with a LoRA. The endpoint is ours (deploy/modal), so it remembers calls."""

    def generate(
        self, request_id: str, weights: InferenceWeights, prompts: Sequence[InferencePrompt]
    ) -> InferenceBatch:
        """Make the images, blocking until they are there (cold starts included).

        `request_id` is an idempotency key: the same one never starts a second run. Raises
        Transient (also when the weights' URL had expired, or the reply was lost: the same id may be
        sent again whatever became of it) and Permanent.
        """
        ...

    def find(self, request_id: str, prompts: Sequence[InferencePrompt]) -> InferenceBatch | None:
        """What became of a call, paid for once: its images; None when it was never taken.

        Raises Transient with code RUNNING while it still runs.
        """
        ...


# ---- video --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """A vertical video from stills: `frames` are JPEG bytes in order, `seconds` per frame."""

    frames: Sequence[bytes]
    seconds: float
    width: int
    height: int
    seed: int


@dataclass(frozen=True, slots=True)
class Video:
    """An H.264/AAC MP4 with the duration in milliseconds, and what made it."""

    data: bytes
    duration_ms: int
    width: int
    height: int
    model: str
    usage: tuple[Usage, ...]


class VideoModel(Protocol):
    """Makes a video from stills: ffmpeg locally, or a paid provider."""

    @property
    def name(self) -> str: ...

    def make(self, request: VideoRequest) -> Video: ...
