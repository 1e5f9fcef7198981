"""The stages of System 1, in order, as they describe themselves to the Dagster ring.

Belongs here: names, descriptions, checks, metadata schemas. Does not: any stage's work, nor its
imports: a Dagster code location is imported for every run and every tick, and what a stage needs
(the database models, providers) costs over a second, so each stage is imported when it is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vixen_pipeline.stages import Progress, StageResult, StageSpec

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

OWNER = "team:identity"


def _avatars(services: Services, keys: Sequence[str], progress: Progress) -> list[StageResult]:
    from vixen_pipeline.identity.avatars import run_avatars

    return run_avatars(services, keys, progress)


def _personas(services: Services, keys: Sequence[str], progress: Progress) -> list[StageResult]:
    from vixen_pipeline.identity.personas import run_personas

    return run_personas(services, keys, progress)


def _reference_portraits(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    from vixen_pipeline.identity.portraits import run_reference_portraits

    return run_reference_portraits(services, keys, progress)


def _training_datasets(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    from vixen_pipeline.identity.datasets import run_training_datasets

    return run_training_datasets(services, keys, progress)


def _lora_trainings(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    from vixen_pipeline.identity.trainings import run_lora_trainings

    return run_lora_trainings(services, keys, progress)


def _lora_weights(services: Services, keys: Sequence[str], progress: Progress) -> list[StageResult]:
    from vixen_pipeline.identity.weights import run_lora_weights

    return run_lora_weights(services, keys, progress)


AVATARS_STAGE = StageSpec(
    name="avatars",
    system="identity",
    deps=(),
    description="Avatars that people described: landed specs, registered as `niche:handle`.",
    owner=OWNER,
    kinds=("postgres", "yaml"),
    checks=(("spec_policy", True),),
    metadata_schema=("name", "niche", "handle", "spec_version", "spec_digest", "created_at"),
    run=_avatars,
)
PERSONAS_STAGE = StageSpec(
    name="personas",
    system="identity",
    deps=("avatars",),
    description="Who each avatar is: a persona written by a language model from the spec, judged "
    "against spec and policy, embedded, and compared with all others.",
    owner=OWNER,
    kinds=("anthropic", "openai", "postgres"),
    checks=(("persona_fits_spec", True), ("persona_policy", True), ("persona_distinct", False)),
    metadata_schema=(
        "biography",
        "traits",
        "tone",
        "model",
        "embedding_model",
        "neighbour",
        "similarity",
        "tries",
        "repairs",
        "usd",
        "created_at",
    ),
    run=_personas,
)
PORTRAITS_STAGE = StageSpec(
    name="reference_portraits",
    system="identity",
    deps=("personas",),
    description="The one picture per avatar that every later image is anchored on: text-to-image "
    "from the spec's appearance, judged by the policy before and by moderation after.",
    owner=OWNER,
    kinds=("replicate", "s3"),
    checks=(("portrait_usable", True), ("portrait_moderated", True)),
    metadata_schema=(
        "preview",
        "model",
        "seed",
        "width",
        "height",
        "sharpness",
        "tries",
        "object_key",
        "usd",
    ),
    run=_reference_portraits,
    pool="replicate",
)
DATASETS_STAGE = StageSpec(
    name="training_datasets",
    system="identity",
    deps=("reference_portraits",),
    description="Exactly the planned number of accepted images per avatar (50), made by a "
    "reference-conditioned model over angle, expression, lighting, background and "
    "framing; measured, moderated, captioned and zipped.",
    owner=OWNER,
    kinds=("replicate", "s3"),
    checks=(
        ("dataset_coverage", True),
        ("dataset_duplicates", True),
        ("dataset_identity", True),
        ("dataset_completeness", True),
    ),
    metadata_schema=(
        "contact_sheet",
        "images_accepted",
        "images_made",
        "images_rejected",
        "rejected_by_reason",
        "coverage",
        "identity_scorer",
        "identity_least",
        "identity_mean",
        "sharpness_least",
        "archive_key",
        "archive_sha256",
        "archive_bytes",
        "usd",
    ),
    run=_training_datasets,
    pool="replicate",
)
TRAININGS_STAGE = StageSpec(
    name="lora_trainings",
    system="identity",
    deps=("training_datasets",),
    description="LoRA trainings submitted at Replicate, once per dataset and settings. Nothing "
    "waits for them: they end by webhook, or by a poll when the webhook never comes.",
    owner=OWNER,
    kinds=("replicate", "postgres"),
    checks=(("training_submitted", True),),
    metadata_schema=(
        "training_id",
        "training_status",
        "attempt",
        "trainer",
        "steps",
        "rank",
        "estimate_usd",
        "billed_seconds",
        "usd",
        "submitted_at",
    ),
    run=_lora_trainings,
    pool="replicate",
)
WEIGHTS_STAGE = StageSpec(
    name="lora_weights",
    system="identity",
    deps=("lora_trainings",),
    description="The trained weights in our own store, with SHA-256: opened, and checked to be a "
    "LoRA of the family and rank that inference uses. With them the avatar is ready.",
    owner=OWNER,
    kinds=("safetensors", "s3"),
    checks=(
        ("weights_opened", True),
        ("weights_family", True),
        ("weights_rank", True),
        ("weights_checksum", True),
        ("weights_embeddings", False),
    ),
    metadata_schema=(
        "object_key",
        "sha256",
        "bytes",
        "family",
        "rank",
        "tensor_count",
        "trigger_word",
        "embeddings_key",
        "training_id",
        "usd_total",
    ),
    run=_lora_weights,
)

IDENTITY_STAGES: tuple[StageSpec, ...] = (
    AVATARS_STAGE,
    PERSONAS_STAGE,
    PORTRAITS_STAGE,
    DATASETS_STAGE,
    TRAININGS_STAGE,
    WEIGHTS_STAGE,
)
