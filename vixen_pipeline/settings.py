"""Every setting, in one place: environment variables `VIXEN_*` only.

Belongs here: names, types, defaults, what is missing and where to get it. Does not: clients,
connections, Dagster. Read by calling `load_settings()` at a process edge, never at import.

Order of precedence: the environment, then `<VIXEN_HOME>/runtime.json` (ports and generated
sandbox secrets, written by `vixen up`), then the defaults here. Secrets have no defaults.
"""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from vixen_pipeline.errors import SettingsMissing

RUNTIME_FILE = "runtime.json"

Mode = Literal["sandbox", "live"]


class Settings(BaseSettings):
    """Typed settings. `description` of each field is what `vixen doctor` and .env.example print."""

    model_config = SettingsConfigDict(env_prefix="VIXEN_", extra="ignore", frozen=True)

    # Places
    home: Path = Field(Path(".vixen"), description="Folder for everything this instance writes.")
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL with pgvector; unset: the embedded server under VIXEN_HOME."
    )
    dagster_database_url: SecretStr | None = Field(
        None, description="Dagster's own database; unset: `dagster` on the same server."
    )
    public_url: str | None = Field(
        None, description="Address at which providers reach the gateway, e.g. https://hooks.me.com."
    )
    gateway_url: str = Field(
        "http://127.0.0.1:8787", description="Where the gateway listens (the next free port)."
    )
    sandbox_url: str = Field(
        "http://127.0.0.1:8788", description="Where the provider sandbox listens."
    )
    dagster_url: str = Field("http://127.0.0.1:3000", description="Where the Dagster UI listens.")
    sandbox_token: SecretStr | None = Field(
        None, description="Key that the sandbox accepts; made by `vixen up`."
    )
    log_format: Literal["console", "json"] = Field("console", description="How logs are written.")

    # Replicate: trainings and reference-conditioned images
    replicate_mode: Mode = Field("sandbox", description="sandbox or live.")
    replicate_api_token: SecretStr | None = Field(
        None, description="replicate.com/account/api-tokens"
    )
    replicate_base_url: str | None = Field(None, description="Overrides Replicate's address.")
    replicate_webhook_secrets: SecretStr | None = Field(
        None,
        description="Signing secrets whsec_…, several separated by commas while rotating; "
        "empty: the endpoint is off.",
    )
    replicate_owner: str = Field(
        "vixen", description="Replicate account that owns the trained models."
    )
    replicate_trainer: str = Field(
        "stability-ai/sdxl", description="Trainer model, owner/name or owner/name:version."
    )
    replicate_portrait_model: str = Field(
        "stability-ai/sdxl", description="Model of the reference portrait."
    )
    replicate_identity_model: str = Field(
        "zsxkib/instant-id", description="Reference-conditioned model of the dataset."
    )
    replicate_concurrency: int = Field(
        10, ge=1, description="Predictions at a time, over all processes."
    )
    replicate_timeout_s: float = Field(
        75.0, gt=0, description="Longest wait for one reply, seconds."
    )

    # Text: Anthropic first, OpenAI as fallback, moderation and embeddings
    anthropic_mode: Mode = Field("sandbox", description="sandbox or live.")
    anthropic_api_key: SecretStr | None = Field(
        None, description="console.anthropic.com/settings/keys"
    )
    anthropic_base_url: str | None = Field(None, description="Overrides Anthropic's address.")
    anthropic_model: str = Field("claude-haiku-5-5", description="Model that writes text.")
    openai_mode: Mode = Field("sandbox", description="sandbox or live.")
    openai_api_key: SecretStr | None = Field(None, description="platform.openai.com/api-keys")
    openai_base_url: str | None = Field(None, description="Overrides OpenAI's address (with /v1).")
    openai_model: str = Field("gpt-6-luna", description="Fallback model that writes text.")
    openai_embedding_model: str = Field("text-embedding-3-small", description="1536 dimensions.")
    openai_moderation_model: str = Field(
        "omni-moderation-latest", description="Moderates text and images."
    )
    text_concurrency: int = Field(8, ge=1, description="Text calls at a time, over all processes.")
    text_timeout_s: float = Field(60.0, gt=0, description="Longest wait for one reply, seconds.")

    # Modal: image inference
    modal_mode: Mode = Field("sandbox", description="sandbox or live.")
    modal_endpoint_url: str | None = Field(
        None, description="https://<workspace>--<label>.modal.run"
    )
    modal_key: SecretStr | None = Field(None, description="Proxy auth token id, wk-…")
    modal_secret: SecretStr | None = Field(None, description="Proxy auth token secret, ws-…")
    modal_concurrency: int = Field(
        20, ge=1, description="Inference calls at a time, over all processes."
    )
    modal_batch: int = Field(
        4, ge=1, le=64, description="Images per inference call; one GPU makes them in turn."
    )

    # Object store: R2 or any S3
    objects_mode: Mode = Field("sandbox", description="sandbox (a folder, served locally) or live.")
    s3_endpoint_url: str | None = Field(
        None, description="https://<account>.r2.cloudflarestorage.com; unset with AWS itself."
    )
    s3_bucket: str = Field("vixen", description="Bucket for images, datasets and weights.")
    s3_region: str = Field("auto", description="auto for R2.")
    s3_access_key_id: SecretStr | None = Field(None, description="R2: Manage API tokens.")
    s3_secret_access_key: SecretStr | None = Field(None, description="R2: Manage API tokens.")
    presign_seconds: int = Field(
        3600, ge=1, le=604_800, description="Life of a presigned URL, seconds."
    )

    # Identity
    dataset_images: int = Field(50, ge=1, le=500, description="Accepted images per dataset.")
    dataset_tries_per_shot: int = Field(
        4, ge=1, le=20, description="Images tried for one shot before the dataset fails."
    )
    identity_scorer: Literal["appearance", "dlib"] = Field(
        "appearance", description="dlib needs the extra: pip install 'vixen-pipeline[faces]'."
    )
    training_timeout_s: float = Field(
        3 * 3600.0, gt=0, description="A training without an end after this is aborted, seconds."
    )
    training_poll_s: float = Field(
        120.0, gt=0, description="How often an open training is polled, seconds."
    )

    # Content
    content_pieces: int = Field(50, ge=1, le=2000, description="Stills of an avatar's first plan.")
    content_mix: str = Field(
        "public=60,premium=30,exclusive=10",
        description="Shares of the access tiers; largest remainder makes them exact.",
    )
    content_platforms: str = Field(
        "instagram,tiktok", description="Platforms that copy and renditions are made for."
    )
    content_carousels: int = Field(3, ge=0, description="Carousels composed per 50 stills.")
    content_slideshows: int = Field(1, ge=0, description="Slideshow videos composed per 50 stills.")
    content_review: Literal["auto", "manual"] = Field(
        "auto", description="auto: what passes every check is approved; manual: a person decides."
    )
    content_tries_per_shot: int = Field(
        8, ge=1, le=20, description="Images tried for one shot before the plan fails."
    )
    content_variants: int = Field(3, ge=1, le=10, description="Variants of the words per piece.")
    instagram_hashtags: int = Field(
        5,
        ge=0,
        le=30,
        description="Most hashtags in an Instagram caption; 5 since December 2025, 30 before.",
    )
    exam_images: int = Field(
        8, ge=4, le=64, description="Held-out prompts that new weights are examined with."
    )
    ffmpeg: str | None = Field(
        None, description="ffmpeg that makes the videos, a path or name; unset: the packaged one."
    )
    c2pa_certificate: SecretStr | None = Field(
        None, description="Certificate chain, PEM or a file of it; unset: a development one."
    )
    c2pa_private_key: SecretStr | None = Field(
        None, description="Private key (ES256), PEM or a file of it."
    )
    c2pa_timestamp_url: str | None = Field(
        None, description="RFC 3161 time stamp authority for Content Credentials."
    )

    # Money
    budget_avatar_usd: Decimal = Field(
        Decimal(25), gt=0, description="Spend limit per avatar in total, USD."
    )
    budget_day_usd: Decimal = Field(
        Decimal(500), gt=0, description="Spend limit per UTC day over all avatars, USD."
    )

    # Effects
    reconcile_grace_s: float = Field(
        90.0,
        ge=0,
        description="An unknown effect that the provider does not list counts as not done after "
        "this, seconds; must exceed every provider time-out.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, RuntimeFileSource(settings_cls))

    @property
    def postgres_dir(self) -> Path:
        return self.home.resolve() / "postgres"


class RuntimeFileSource(EnvSettingsSource):
    """Values that `vixen up` wrote for this folder: `{"VIXEN_GATEWAY_URL": "http://…", …}`."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        home = Path(os.environ.get("VIXEN_HOME", ".vixen"))
        values = read_runtime(home)
        self.env_vars = {name.lower(): value for name, value in values.items()}


def read_runtime(home: Path) -> dict[str, str]:
    """The values in `<home>/runtime.json`; empty when `vixen up` never ran here."""
    path = home / RUNTIME_FILE
    if not path.exists():
        return {}
    content: Any = json.loads(path.read_text())
    return {str(name): str(value) for name, value in content.items()}


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises SettingsMissing that names every wrong value at once."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = [
            f"VIXEN_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()
        ]
        raise SettingsMissing("settings", problems, next_step="See .env.example.") from error


_LIVE_NEEDS: dict[str, tuple[str, ...]] = {
    "replicate_mode": ("replicate_api_token", "replicate_webhook_secrets", "public_url"),
    "anthropic_mode": ("anthropic_api_key",),
    "openai_mode": ("openai_api_key",),
    "modal_mode": ("modal_endpoint_url", "modal_key", "modal_secret"),
    "objects_mode": ("s3_access_key_id", "s3_secret_access_key"),
}


def missing_settings(settings: Settings) -> list[str]:
    """One line per setting that a chosen mode needs and that is not there, with where to get it."""
    lines: list[str] = []
    for mode_field, needed in _LIVE_NEEDS.items():
        if getattr(settings, mode_field) != "live":
            continue
        for name in needed:
            if not getattr(settings, name):
                where = Settings.model_fields[name].description
                lines.append(
                    f"VIXEN_{name.upper()} is needed because "
                    f"VIXEN_{mode_field.upper()}=live: {where}"
                )
    sandboxed = any(getattr(settings, field) == "sandbox" for field in _LIVE_NEEDS)
    if sandboxed and settings.sandbox_token is None:
        lines.append("VIXEN_SANDBOX_TOKEN is made by `vixen up`: run that first, in this folder.")
    if settings.replicate_mode == "live" and settings.objects_mode == "sandbox":
        lines.append(
            "VIXEN_OBJECTS_MODE must be live when VIXEN_REPLICATE_MODE=live: "
            "Replicate cannot fetch from a local folder."
        )
    grace, timeout = settings.reconcile_grace_s, settings.replicate_timeout_s
    if settings.replicate_mode == "live" and grace <= timeout:
        lines.append(
            f"VIXEN_RECONCILE_GRACE_S ({grace:g}) must exceed VIXEN_REPLICATE_TIMEOUT_S "
            f"({timeout:g}): a call that is still under way would be made again."
        )
    return lines


def require_settings(settings: Settings) -> None:
    """Raise SettingsMissing when anything is missing, naming all of it."""
    lines = missing_settings(settings)
    if lines:
        raise SettingsMissing("settings", lines, next_step="See .env.example and `vixen doctor`.")
