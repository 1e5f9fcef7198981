"""LoRA trainings on Replicate: the Trainer port.

Belongs here: prepare, create, get, cancel, find, fetch, reading a webhook body. Does not: waiting
for the end (webhook or poll, identity/trainings), opening the weights (identity/weights).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from vixen_pipeline.errors import Permanent, Transient
from vixen_pipeline.providers.failures import edge
from vixen_pipeline.providers.ports import RemoteJob, Trainer, TrainingRequest
from vixen_pipeline.providers.replicate_api import (
    PROVIDER,
    ModelVersion,
    Raw,
    ReplicateApi,
    parse_body,
    to_job,
)
from vixen_pipeline.providers.replicate_images import build_replicate_api
from vixen_pipeline.providers.replicate_models import (
    trainer_family,
    trainer_inputs,
    trainer_inputs_missing,
)
from vixen_pipeline.settings import Settings

CLOCK_SKEW = timedelta(minutes=5)
DESTINATION_HARDWARE = "gpu-l40s"
"""What a destination model would run on; nothing is billed until it is run there."""


class ReplicateTrainer:
    """The Trainer port on Replicate. Thread-safe."""

    def __init__(self, api: ReplicateApi) -> None:
        self._api = api
        self._destinations: set[str] = set()

    def prepare(self, request: TrainingRequest) -> None:
        self._prepared(request)

    def _prepared(self, request: TrainingRequest) -> ModelVersion:
        """The trainer's version, with the destination there; asks nothing the second time."""
        version = self._api.model(self.check_trainer(request.trainer))
        self._ensure_destination(request.destination)
        return version

    def create(self, request: TrainingRequest) -> RemoteJob:
        """Sends at once after `prepare`; prepares first, otherwise."""
        version = self._prepared(request)
        body: dict[str, object] = {
            "destination": request.destination,
            "input": trainer_inputs(request, version.training_inputs or version.inputs),
        }
        if request.webhook_url:
            body |= {"webhook": request.webhook_url, "webhook_events_filter": ["completed"]}
        path = f"/v1/models/{version.slug}/versions/{version.version}/trainings"
        raw = self._api.call("POST", path, body, repeatable=False)
        return _job(raw, request.trainer, repeatable=False)

    def get(self, remote_id: str) -> RemoteJob:
        return _job(self._api.call("GET", f"/v1/trainings/{remote_id}", repeatable=True))

    def cancel(self, remote_id: str) -> RemoteJob:
        path = f"/v1/trainings/{remote_id}/cancel"
        # Cancelling what is cancelled or ended changes nothing: repeatable.
        raw = self._api.call("POST", path, repeatable=True)
        return _job(raw) if raw.get("id") else self.get(remote_id)

    def find(self, request: TrainingRequest, since: datetime) -> RemoteJob | None:
        family = trainer_family(request.trainer)
        for raw in self._api.jobs("/v1/trainings", since - CLOCK_SKEW):
            job = _job(raw, request.trainer)
            if _destination(job, raw) != request.destination:
                continue
            seed = job.input.get(family.seed) if family.seed else None
            if seed == request.seed:
                return job
            # Without a seed to compare (a trainer that takes none, or inputs that the provider
            # has removed) a training of this destination begun since then is this one.
            if seed is None and job.created_at is not None and job.created_at >= since:
                return job
        return None

    def fetch(self, url: str, target: Path, max_bytes: int) -> None:
        self._api.downloads.to_file(url, target, max_bytes)

    def parse_webhook(self, body: bytes) -> RemoteJob:
        raw = parse_body(body)
        return to_job(raw, trainer_family(str(raw.get("model") or "")).sku)

    def check_trainer(self, trainer: str) -> str:
        version = self._api.model(trainer)
        missing = trainer_inputs_missing(trainer, version.training_inputs)
        if version.version is None or missing:
            what = f"has no input {', '.join(missing)}" if missing else "has no version"
            raise Permanent(
                PROVIDER,
                f"{version.name} cannot be used as a trainer: it {what}.",
                code="model_unusable",
                next_step="Choose another with VIXEN_REPLICATE_TRAINER.",
            )
        return version.name

    def _ensure_destination(self, destination: str) -> None:
        """Trainings need an existing model to write to; making it twice is refused, harmlessly."""
        if destination in self._destinations:
            return
        owner, _, name = destination.partition("/")
        if not self._exists(destination):
            body = {
                "owner": owner,
                "name": name,
                "visibility": "private",
                "hardware": DESTINATION_HARDWARE,
            }
            try:
                self._api.call("POST", "/v1/models", body, repeatable=True)
            except (Permanent, Transient):
                # Somebody else made it in between, or the reply was lost: what counts is that
                # it is there now.
                if not self._exists(destination):
                    raise
        self._destinations.add(destination)

    def _exists(self, destination: str) -> bool:
        try:
            self._api.call("GET", f"/v1/models/{destination}", repeatable=True)
        except Permanent as error:
            if error.code == "404":
                return False
            raise
        return True


def _job(raw: Raw, trainer: str = "", *, repeatable: bool = True) -> RemoteJob:
    with edge(PROVIDER, repeatable=repeatable):
        return to_job(raw, trainer_family(trainer or str(raw.get("model") or "")).sku)


def _destination(job: RemoteJob, raw: Raw) -> str | None:
    """Where it writes: stated, or in front of the version that came out."""
    if job.destination is not None:
        return job.destination
    output = raw.get("output")
    made = cast(Raw, output).get("version") if isinstance(output, dict) else None
    return made.partition(":")[0] if isinstance(made, str) else None


def build_trainer(settings: Settings, api: ReplicateApi | None = None) -> Trainer:
    """The trainer of this instance. Raises SettingsMissing. `api` shares connections."""
    return ReplicateTrainer(api or build_replicate_api(settings))
