"""Reference-conditioned images on Replicate: the ImageModel port.

Belongs here: prepare, create, get, find, fetch, check. Does not: retrying (effects), whether an
image is any good (identity). A prediction is asked to wait for its result, so that one request is
enough in the usual case; a reply that was lost is found again by version, seed and prompt.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from vixen_pipeline.errors import Permanent
from vixen_pipeline.providers.endpoints import replicate_endpoint
from vixen_pipeline.providers.failures import edge
from vixen_pipeline.providers.ports import ImageModel, ImageRequest, RemoteJob
from vixen_pipeline.providers.replicate_api import PROVIDER, Raw, ReplicateApi, to_job
from vixen_pipeline.providers.replicate_models import (
    image_family,
    image_inputs,
    image_inputs_missing,
)
from vixen_pipeline.settings import Settings

CLOCK_SKEW = timedelta(minutes=5)
"""How far the provider's clock may be behind ours; seeds are unique, so a wide look is safe."""


class ReplicateImages:
    """The ImageModel port on Replicate. Thread-safe."""

    def __init__(self, api: ReplicateApi) -> None:
        self._api = api

    def prepare(self, request: ImageRequest) -> None:
        self._api.model(request.model)

    def create(self, request: ImageRequest) -> RemoteJob:
        """Sends at once after `prepare`; looks the model up before, otherwise."""
        family = image_family(request.model)
        if request.reference_url is not None and family.reference is None:
            raise Permanent(
                PROVIDER,
                f"model {request.model} takes no reference image.",
                code="no_reference",
                next_step="Set VIXEN_REPLICATE_IDENTITY_MODEL to an InstantID, PuLID or Kontext "
                "type of model.",
            )
        version = self._api.model(request.model)
        inputs = image_inputs(request, version.inputs)
        path, body = "/v1/predictions", {"version": version.version, "input": inputs}
        if version.version is None:
            path, body = f"/v1/models/{version.slug}/predictions", {"input": inputs}
        raw = self._api.call("POST", path, body, repeatable=False, wait=True)
        return self._job(raw, request.model, repeatable=False)

    def get(self, remote_id: str) -> RemoteJob:
        raw = self._api.call("GET", f"/v1/predictions/{remote_id}", repeatable=True)
        return self._job(raw, str(raw.get("model") or ""), repeatable=True)

    def find(self, request: ImageRequest, since: datetime) -> RemoteJob | None:
        wanted = self._api.model(request.model)
        family = image_family(request.model)
        key = {family.seed: request.seed, family.prompt: request.prompt}
        for raw in self._api.jobs("/v1/predictions", since - CLOCK_SKEW):
            same = (
                raw.get("version") == wanted.version
                if wanted.version is not None
                else raw.get("model") == wanted.slug
            )
            inputs = raw.get("input")
            if same and isinstance(inputs, dict) and key.items() <= _plain(raw).items():
                return self._job(raw, request.model, repeatable=True)
        return None

    def fetch(self, url: str, max_bytes: int) -> bytes:
        return self._api.downloads.to_bytes(url, max_bytes)

    def check_model(self, model: str) -> str:
        version = self._api.model(model)
        missing = image_inputs_missing(model, version.inputs, reference=True)
        if missing:
            raise Permanent(
                PROVIDER,
                f"model {version.name} has no input {', '.join(missing)}; "
                f"it has {', '.join(sorted(version.inputs)) or 'none'}.",
                code="model_unusable",
                next_step="Choose another with VIXEN_REPLICATE_PORTRAIT_MODEL or "
                "VIXEN_REPLICATE_IDENTITY_MODEL.",
            )
        return version.name

    def _job(self, raw: Raw, model: str, *, repeatable: bool) -> RemoteJob:
        with edge(PROVIDER, repeatable=repeatable):
            return to_job(raw, image_family(model).sku)


def _plain(raw: Raw) -> dict[str, str | int]:
    """The scalar inputs of a prediction, comparable with ours."""
    inputs = raw.get("input")
    if not isinstance(inputs, dict):
        return {}
    return {str(k): v for k, v in inputs.items() if isinstance(v, str | int)}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def build_image_model(settings: Settings, api: ReplicateApi | None = None) -> ImageModel:
    """The image model of this instance. Raises SettingsMissing. `api` shares connections."""
    return ReplicateImages(api or build_replicate_api(settings))


def build_replicate_api(settings: Settings) -> ReplicateApi:
    """One API client for images and trainings together. Raises SettingsMissing."""
    return ReplicateApi(
        replicate_endpoint(settings),
        timeout_s=settings.replicate_timeout_s,
        concurrency=settings.replicate_concurrency,
    )
