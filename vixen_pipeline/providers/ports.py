"""What the core asks of the outside world. Belongs here: protocols and the values they exchange.

Does not: any SDK, any retry. Every implementation raises only the three ProviderErrors
(Transient, Permanent, Unknown) and `Unavailable`, classified at the client edge. All calls block
and have time-outs; callers bring the threads, `slots.ProviderSlots` bounds them over all processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel

T = TypeVar("T", bound=BaseModel)

EMBEDDING_DIMENSIONS = 1536
"""Length of every vector; the database column has the same (a test compares them)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Billed units of one call: `sku` as in the price book, e.g. `claude-haiku-5-5:input`."""

    provider: str
    sku: str
    units: Decimal


# ---- text ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """A structured answer that fits its schema."""

    value: T
    provider: str
    model: str
    usage: tuple[Usage, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The model declined. A result of its own, never text."""

    reason: str
    provider: str
    model: str
    usage: tuple[Usage, ...]


@dataclass(frozen=True, slots=True)
class CutOff:
    """The answer ended early (token limit) or did not fit the schema. `raw` is what came."""

    reason: str
    raw: str
    provider: str
    model: str
    usage: tuple[Usage, ...]


class TextModel(Protocol):
    """Writes an instance of `schema`. `system` is cacheable at the provider; `prompt` is not."""

    def write(
        self, schema: type[T], *, system: str, prompt: str, max_tokens: int = 4096
    ) -> Written[T] | Refused | CutOff: ...


class Embedder(Protocol):
    """Embeds texts into vectors of `EMBEDDING_DIMENSIONS`, in order; `model` names the space."""

    @property
    def model(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], tuple[Usage, ...]]: ...


@dataclass(frozen=True, slots=True)
class ModerationResult:
    """One verdict with raw scores (0..1) per category and the model that gave it."""

    flagged: bool
    categories: tuple[str, ...]
    scores: Mapping[str, float]
    model: str


class Moderator(Protocol):
    """Moderates texts and images. Raises when it cannot tell: unavailable is never a pass."""

    def moderate_texts(self, texts: Sequence[str]) -> list[ModerationResult]: ...

    def moderate_image(self, image: bytes, content_type: str) -> ModerationResult: ...


# ---- images and trainings -----------------------------------------------------------------------

JobStatus = Literal["submitted", "processing", "succeeded", "failed", "canceled", "aborted"]
TERMINAL: frozenset[JobStatus] = frozenset({"succeeded", "failed", "canceled", "aborted"})


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """A prediction or training as the provider states it now.

    `outputs` are URLs (fetch at once: removed after an hour); `billed_seconds` is
    metrics.predict_time; `sku` is the hardware sku in the price book; `model` is
    `owner/name:version`, as far as the provider states it; `destination` is a training's.
    """

    id: str
    status: JobStatus
    outputs: tuple[str, ...] = ()
    error: str | None = None
    billed_seconds: Decimal | None = None
    created_at: datetime | None = None
    input: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sku: str | None = None
    model: str | None = None
    destination: str | None = None


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One image. `seed` is unique per intent, so that a lost reply is found again by it.

    `reference_url` conditions the model on a face; None asks for plain text-to-image.
    """

    model: str
    prompt: str
    negative_prompt: str
    seed: int
    width: int
    height: int
    reference_url: str | None = None


class ImageModel(Protocol):
    """Reference-conditioned image generation."""

    def prepare(self, request: ImageRequest) -> None:
        """Look up what `create` needs to know, once per process. Raises Transient or Permanent.

        To be called before a dispatch is recorded: `create` then sends at once.
        """
        ...

    def create(self, request: ImageRequest) -> RemoteJob:
        """Submit; may wait for the result up to the provider's limit. Raises ProviderError."""
        ...

    def get(self, remote_id: str) -> RemoteJob: ...

    def find(self, request: ImageRequest, since: datetime) -> RemoteJob | None:
        """The job made from this request (same model version, seed and prompt), if listed."""
        ...

    def fetch(self, url: str, max_bytes: int) -> bytes:
        """Download an output. Permanent when it is gone (404), too large or not served."""
        ...

    def check_model(self, model: str) -> str:
        """Resolve `owner/name[:version]` to `owner/name:version`; Permanent when not usable."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """One LoRA training. `seed` is unique per intent; `destination` is `owner/model`."""

    trainer: str
    destination: str
    images_url: str
    trigger_word: str
    caption_prefix: str
    seed: int
    steps: int
    rank: int
    resolution: int
    webhook_url: str | None


class Trainer(Protocol):
    """LoRA training that ends by webhook or poll; nothing here waits for the end."""

    def prepare(self, request: TrainingRequest) -> None:
        """Check the trainer and see to the destination, once per process; see `ImageModel`.

        The links of the request are not looked at. Raises Transient or Permanent.
        """
        ...

    def create(self, request: TrainingRequest) -> RemoteJob: ...

    def get(self, remote_id: str) -> RemoteJob: ...

    def cancel(self, remote_id: str) -> RemoteJob: ...

    def find(self, request: TrainingRequest, since: datetime) -> RemoteJob | None: ...

    def fetch(self, url: str, target: Path, max_bytes: int) -> None:
        """Stream an output to a file. Permanent when gone or too large."""
        ...

    def parse_webhook(self, body: bytes) -> RemoteJob:
        """Read a delivery's body. Raises ValueError when it is no training or prediction."""
        ...

    def check_trainer(self, trainer: str) -> str:
        """Resolve `owner/name[:version]` to `owner/name:version`; Permanent when not usable."""
        ...


# ---- objects ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What is in the store under `key`. `sha256` is hex, kept as object metadata."""

    key: str
    sha256: str
    bytes: int


class ObjectStore(Protocol):
    """An S3 bucket. Keys contain content hashes, so a repeated put is a no-op.

    Raises Unavailable when it cannot be reached or has no room, Permanent otherwise.
    """

    def put(self, key: str, data: bytes, content_type: str) -> StoredObject: ...

    def put_file(self, key: str, path: Path, content_type: str) -> StoredObject: ...

    def get(self, key: str) -> bytes: ...

    def exists(self, key: str) -> bool: ...

    def presign(self, key: str, seconds: int | None = None) -> str:
        """A GET URL, made for one use and never stored or logged."""
        ...
