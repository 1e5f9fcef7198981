"""In-memory fakes of the image model, the trainer and the object store; see fakes.py."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from vixen_pipeline.clock import Clock, SystemClock
from vixen_pipeline.errors import Permanent, Transient
from vixen_pipeline.providers.ports import (
    ImageRequest,
    JobStatus,
    RemoteJob,
    StoredObject,
    TrainingRequest,
)

PROVIDER = "fake"
VERSION = "f" * 64


def draw_pattern(request: ImageRequest) -> bytes:
    """A JPEG of the requested size: sharp shapes, distinct per prompt and seed, a few kB."""
    from PIL import Image, ImageDraw

    digest = hashlib.sha256(f"{request.prompt}\x00{request.seed}".encode()).digest()
    dice = random.Random(digest)
    width, height = request.width, request.height
    image = Image.new("RGB", (width, height), _color(dice))
    pen = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = dice.randrange(width), dice.randrange(height)
        side = dice.randrange(max(2, width // 12), max(3, width // 3))
        shape = pen.ellipse if dice.random() < 0.5 else pen.rectangle
        shape((x - side // 2, y - side // 2, x + side // 2, y + side // 2), fill=_color(dice))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


def _color(dice: random.Random) -> tuple[int, int, int]:
    return (dice.randrange(256), dice.randrange(256), dice.randrange(256))


@dataclass
class _Failures:
    """Exceptions for the next calls of `create`: before the effect, or after it."""

    before: deque[Exception] = field(default_factory=deque[Exception])
    after: deque[Exception] = field(default_factory=deque[Exception])

    def raise_before(self) -> None:
        if self.before:
            raise self.before.popleft()

    def raise_after(self) -> None:
        if self.after:
            raise self.after.popleft()


class FakeImageModel:
    """Draws at once. `requests` holds every request that took effect, `jobs` what it became.

    `failures.before.append(exc)` raises before the effect, `failures.after` after it (the job
    then exists and `find` sees it). `outcome` may turn a request into another status.
    """

    def __init__(
        self,
        draw: Callable[[ImageRequest], bytes] = draw_pattern,
        *,
        clock: Clock | None = None,
        outcome: Callable[[ImageRequest], JobStatus] | None = None,
        seconds: Decimal = Decimal("2.5"),
    ) -> None:
        self._draw = draw
        self._clock: Clock = clock or SystemClock()
        self._outcome = outcome
        self._seconds = seconds
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self.failures = _Failures()
        self.requests: list[ImageRequest] = []
        self.jobs: dict[str, RemoteJob] = {}
        self.files: dict[str, ImageRequest] = {}
        self.unusable: set[str] = set()
        """Models that `prepare` and `check_model` refuse."""

    def prepare(self, request: ImageRequest) -> None:
        self.check_model(request.model)

    def create(self, request: ImageRequest) -> RemoteJob:
        with self._lock:
            self.failures.raise_before()
            job = self._job(request)
            self.requests.append(request)
            self.jobs[job.id] = job
            self.failures.raise_after()
        return job

    def _job(self, request: ImageRequest) -> RemoteJob:
        number = next(self._ids)
        status = self._outcome(request) if self._outcome else "succeeded"
        url = f"https://fake.invalid/images/{number}.jpg"
        if status == "succeeded":
            self.files[url] = request
        return RemoteJob(
            id=f"image-{number}",
            status=status,
            outputs=(url,) if status == "succeeded" else (),
            error=None if status == "succeeded" else f"the fake {status}",
            billed_seconds=self._seconds if status == "succeeded" else None,
            created_at=self._clock.now(),
            input={"prompt": request.prompt, "seed": request.seed},
            sku="gpu-l40s",
            model=request.model,
        )

    def get(self, remote_id: str) -> RemoteJob:
        return _known(self.jobs, remote_id)

    def find(self, request: ImageRequest, since: datetime) -> RemoteJob | None:
        with self._lock:
            for job in reversed(self.jobs.values()):
                wanted = {"prompt": request.prompt, "seed": request.seed}
                if job.created_at is not None and job.created_at >= since and job.input == wanted:
                    return job
        return None

    def fetch(self, url: str, max_bytes: int) -> bytes:
        if url not in self.files:
            raise Permanent(PROVIDER, "the output is gone (404).", code="gone")
        data = self._draw(self.files[url])
        if len(data) > max_bytes:
            raise Permanent(PROVIDER, f"the output exceeds {max_bytes} bytes.", code="too_large")
        return data

    def check_model(self, model: str) -> str:
        if model in self.unusable:
            raise Permanent(PROVIDER, f"model {model} cannot be used.", code="model_unusable")
        return model if ":" in model else f"{model}:{VERSION}"


class FakeTrainer:
    """Trainings stay submitted until `finish`. `requests` holds what took effect."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self.failures = _Failures()
        self.requests: list[TrainingRequest] = []
        self.jobs: dict[str, RemoteJob] = {}
        self.files: dict[str, bytes] = {}

    def prepare(self, request: TrainingRequest) -> None:
        self.check_trainer(request.trainer)

    def create(self, request: TrainingRequest) -> RemoteJob:
        with self._lock:
            self.failures.raise_before()
            job = RemoteJob(
                id=f"training-{next(self._ids)}",
                status="submitted",
                created_at=self._clock.now(),
                input={"seed": request.seed, "token_string": request.trigger_word},
                sku="gpu-h100",
                model=request.trainer,
                destination=request.destination,
            )
            self.requests.append(request)
            self.jobs[job.id] = job
            self.failures.raise_after()
        return job

    def finish(
        self,
        remote_id: str,
        status: JobStatus = "succeeded",
        *,
        weights: bytes = b"weights",
        billed_seconds: Decimal = Decimal(900),
        error: str | None = None,
    ) -> bytes:
        """End a training; returns the webhook body that says so."""
        with self._lock:
            url = f"https://fake.invalid/weights/{remote_id}.tar"
            done = status == "succeeded"
            if done:
                self.files[url] = weights
            self.jobs[remote_id] = replace(
                _known(self.jobs, remote_id),
                status=status,
                outputs=(url,) if done else (),
                error=error,
                billed_seconds=billed_seconds,
            )
        return self.webhook_body(remote_id)

    def webhook_body(self, remote_id: str) -> bytes:
        job = self.get(remote_id)
        return json.dumps({"id": job.id, "status": job.status}).encode()

    def get(self, remote_id: str) -> RemoteJob:
        return _known(self.jobs, remote_id)

    def cancel(self, remote_id: str) -> RemoteJob:
        if self.get(remote_id).status in ("submitted", "processing"):
            self.finish(remote_id, "canceled")
        return self.get(remote_id)

    def find(self, request: TrainingRequest, since: datetime) -> RemoteJob | None:
        with self._lock:
            for job in reversed(self.jobs.values()):
                same = (job.destination, job.input["seed"]) == (request.destination, request.seed)
                if same and job.created_at is not None and job.created_at >= since:
                    return job
        return None

    def fetch(self, url: str, target: Path, max_bytes: int) -> None:
        if url not in self.files:
            raise Permanent(PROVIDER, "the output is gone (404).", code="gone")
        if len(self.files[url]) > max_bytes:
            raise Permanent(PROVIDER, f"the output exceeds {max_bytes} bytes.", code="too_large")
        target.write_bytes(self.files[url])

    def check_trainer(self, trainer: str) -> str:
        return trainer if ":" in trainer else f"{trainer}:{VERSION}"

    def parse_webhook(self, body: bytes) -> RemoteJob:
        content: object = json.loads(body)
        if not isinstance(content, Mapping) or content.get("id") not in self.jobs:  # pyright: ignore[reportUnknownMemberType]
            raise ValueError("the body is no training or prediction")
        return self.jobs[str(content["id"])]  # pyright: ignore[reportUnknownArgumentType]


def _known(jobs: Mapping[str, RemoteJob], remote_id: str) -> RemoteJob:
    if remote_id not in jobs:
        raise Permanent(PROVIDER, f"there is no job {remote_id} (404).", code="404")
    return jobs[remote_id]


class MemoryObjectStore:
    """Objects in a dict. While `down` is set, every call raises it (e.g. Unavailable)."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.content_types: dict[str, str] = {}
        self.down: Exception | None = None
        self.puts = 0

    def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        self._check()
        self.puts += 1
        kept = self.objects.setdefault(key, data)
        self.content_types.setdefault(key, content_type)
        return StoredObject(key, hashlib.sha256(kept).hexdigest(), len(kept))

    def put_file(self, key: str, path: Path, content_type: str) -> StoredObject:
        return self.put(key, path.read_bytes(), content_type)

    def get(self, key: str) -> bytes:
        self._check()
        if key not in self.objects:
            raise Permanent("objects", f"there is no object {key}.", code="NoSuchKey")
        return self.objects[key]

    def exists(self, key: str) -> bool:
        self._check()
        return key in self.objects

    def presign(self, key: str, seconds: int | None = None) -> str:
        self._check()
        until = int(datetime.now(UTC).timestamp()) + (seconds or 3600)
        return f"https://fake.invalid/objects/{key}?expires={until}"

    def _check(self) -> None:
        if self.down is not None:
            raise self.down


def overloaded(seconds: float = 1.0) -> Transient:
    """A Transient to hand to `failures.before`."""
    return Transient(PROVIDER, "too many requests.", retry_after=seconds, code="429")
