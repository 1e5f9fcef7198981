"""Where each provider is and with which key: settings in, endpoints out.

Belongs here: the choice between sandbox and live, the providers' own addresses. Does not: clients,
checks that a provider answers (`vixen doctor` does that). Keys never show in a repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import SecretStr

from vixen_pipeline.errors import SettingsMissing
from vixen_pipeline.settings import Mode, Settings

REPLICATE = "https://api.replicate.com"
ANTHROPIC = "https://api.anthropic.com"
OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, without a trailing slash, and the key it takes."""

    base_url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ModalEndpoint:
    """The inference endpoint and its two proxy credentials."""

    url: str
    key: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ObjectsEndpoint:
    """An S3 endpoint; `url` None is AWS itself. `owned`: the bucket is ours to create."""

    url: str | None
    bucket: str
    region: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    owned: bool


def replicate_endpoint(settings: Settings) -> Endpoint:
    """Replicate's address excludes `/v1`. Raises SettingsMissing."""
    mode = settings.replicate_mode
    key = _key(settings, mode, "replicate_api_token", settings.replicate_api_token)
    return Endpoint(_address(settings, mode, settings.replicate_base_url, REPLICATE), key)


def anthropic_endpoint(settings: Settings) -> Endpoint:
    """Anthropic's address excludes `/v1`. Raises SettingsMissing."""
    mode = settings.anthropic_mode
    key = _key(settings, mode, "anthropic_api_key", settings.anthropic_api_key)
    return Endpoint(_address(settings, mode, settings.anthropic_base_url, ANTHROPIC), key)


def openai_endpoint(settings: Settings) -> Endpoint:
    """OpenAI's address includes `/v1`. Raises SettingsMissing."""
    mode = settings.openai_mode
    key = _key(settings, mode, "openai_api_key", settings.openai_api_key)
    return Endpoint(_address(settings, mode, settings.openai_base_url, OPENAI), key)


def modal_endpoint(settings: Settings) -> ModalEndpoint:
    """The endpoint of image inference. Raises SettingsMissing, naming all that is missing."""
    mode = settings.modal_mode
    if mode == "sandbox":
        token = _key(settings, mode, "sandbox_token", None)
        return ModalEndpoint(f"{_sandbox(settings)}/modal", token, token)
    found = {
        "modal_endpoint_url": settings.modal_endpoint_url,
        "modal_key": _plain(settings.modal_key),
        "modal_secret": _plain(settings.modal_secret),
    }
    _require(found)
    return ModalEndpoint(
        str(found["modal_endpoint_url"]).rstrip("/"),
        str(found["modal_key"]),
        str(found["modal_secret"]),
    )


def objects_endpoint(settings: Settings) -> ObjectsEndpoint:
    """The object store. Raises SettingsMissing, naming all that is missing."""
    if settings.objects_mode == "sandbox":
        token = _key(settings, "sandbox", "sandbox_token", None)
        return ObjectsEndpoint(
            url=f"{_sandbox(settings)}/s3",
            bucket=settings.s3_bucket,
            region="auto",
            access_key_id=token[:20],
            secret_access_key=token,
            owned=True,
        )
    found = {
        "s3_access_key_id": _plain(settings.s3_access_key_id),
        "s3_secret_access_key": _plain(settings.s3_secret_access_key),
    }
    _require(found)
    return ObjectsEndpoint(
        url=settings.s3_endpoint_url,
        bucket=settings.s3_bucket,
        region=settings.s3_region,
        access_key_id=str(found["s3_access_key_id"]),
        secret_access_key=str(found["s3_secret_access_key"]),
        owned=False,
    )


_SANDBOX_PATHS = {REPLICATE: "replicate", ANTHROPIC: "anthropic", OPENAI: "openai/v1"}


def _address(settings: Settings, mode: Mode, override: str | None, live: str) -> str:
    if override:
        return override.rstrip("/")
    return live if mode == "live" else f"{_sandbox(settings)}/{_SANDBOX_PATHS[live]}"


def _sandbox(settings: Settings) -> str:
    return settings.sandbox_url.rstrip("/")


def _key(settings: Settings, mode: Mode, name: str, live: SecretStr | None) -> str:
    wanted = ("sandbox_token", settings.sandbox_token) if mode == "sandbox" else (name, live)
    found = {wanted[0]: _plain(wanted[1])}
    _require(found)
    return str(found[wanted[0]])


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


def _require(found: dict[str, str | None]) -> None:
    lines = [
        f"VIXEN_{name.upper()} is missing: {Settings.model_fields[name].description}"
        for name, value in found.items()
        if not value
    ]
    if lines:
        raise SettingsMissing("settings", lines, next_step="See .env.example and `vixen doctor`.")
