"""The stages of System 2, in order, as they describe themselves to the Dagster ring.

Belongs here: names, descriptions, checks, metadata schemas. Does not: any stage's work, nor its
imports (see vixen_pipeline.identity.stages_list for why).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vixen_pipeline.stages import Progress, StageResult, StageSpec

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

OWNER = "team:content"


def _weights_exams(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    from vixen_pipeline.content.exams import run_weights_exams

    return run_weights_exams(services, keys, progress)


def _content_plans(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    from vixen_pipeline.content.plans import run_content_plans

    return run_content_plans(services, keys, progress)


def _content_images(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    from vixen_pipeline.content.images import run_content_images

    return run_content_images(services, keys, progress)


def _content_copy(services: Services, keys: Sequence[str], progress: Progress) -> list[StageResult]:
    from vixen_pipeline.content.copywriting import run_content_copy

    return run_content_copy(services, keys, progress)


def _content_pieces(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    from vixen_pipeline.content.pieces import run_content_pieces

    return run_content_pieces(services, keys, progress)


EXAMS_STAGE = StageSpec(
    name="weights_exams",
    system="content",
    deps=("lora_weights",),
    description="New weights examined before they are used: held-out prompts rendered with every "
    "checkpoint, scored for identity, diversity and distance to the training images; the best "
    "one is chosen.",
    owner=OWNER,
    kinds=("modal", "postgres"),
    checks=(("weights_fit_for_use", True), ("weights_not_memorised", False)),
    metadata_schema=(
        "preview",
        "sha256",
        "checkpoint_step",
        "candidates",
        "images",
        "identity_scorer",
        "identity_mean",
        "identity_p10",
        "diversity",
        "nearest_training",
        "usd",
    ),
    run=_weights_exams,
    pool="modal",
)
PLANS_STAGE = StageSpec(
    name="content_plans",
    system="content",
    deps=("weights_exams", "personas"),
    description="What is to be made: distinct prompts over template, angle, expression, lighting, "
    "background and outfit, in an exact mix of access tiers, moderated before anything is paid.",
    owner=OWNER,
    kinds=("yaml", "postgres"),
    checks=(("plan_distinct", True), ("plan_tier_mix", True), ("plan_moderated", True)),
    metadata_schema=(
        "plans",
        "plan",
        "shots",
        "scenes",
        "tiers",
        "templates",
        "coverage",
        "most_alike",
        "library_digest",
        "usd",
    ),
    run=_content_plans,
)
IMAGES_STAGE = StageSpec(
    name="content_images",
    system="content",
    deps=("content_plans", "weights_exams"),
    description="One accepted image per planned shot, made by the avatar's own LoRA on Modal, tied "
    "to its request by id, measured, moderated; what is not good enough is made again.",
    owner=OWNER,
    kinds=("modal", "s3"),
    checks=(
        ("images_complete", True),
        ("images_distinct", True),
        ("images_identity", True),
        ("images_moderated", True),
        ("images_drift", False),
    ),
    metadata_schema=(
        "contact_sheet",
        "images_accepted",
        "images_made",
        "images_rejected",
        "rejected_by_reason",
        "identity_scorer",
        "identity_mean",
        "identity_least",
        "sharpness_least",
        "drift",
        "scores_plot",
        "weights_sha256",
        "usd",
    ),
    run=_content_images,
    pool="modal",
)
COPY_STAGE = StageSpec(
    name="content_copy",
    system="content",
    deps=("content_plans", "personas"),
    description="Hook, caption, call to action and hashtags per shot and platform in the avatar's "
    "voice: several variants, all kept with scores, one chosen, within the platform's limits.",
    owner=OWNER,
    kinds=("anthropic", "openai", "postgres"),
    checks=(("copy_complete", True), ("copy_within_limits", True), ("copy_moderated", True)),
    metadata_schema=(
        "sample",
        "captions",
        "variants",
        "refused",
        "cut_off",
        "score_mean",
        "input_tokens_per_piece",
        "cached_share",
        "model",
        "usd",
        "usd_per_piece",
    ),
    run=_content_copy,
)
PIECES_STAGE = StageSpec(
    name="content_pieces",
    system="content",
    deps=("content_images", "content_copy"),
    description="Pieces ready to publish: renditions per platform with signed Content Credentials, "
    "stills, carousels and slideshow videos, reviewed by policy or by a person.",
    owner=OWNER,
    kinds=("s3", "postgres", "ffmpeg"),
    checks=(
        ("pieces_complete", True),
        ("pieces_signed", True),
        ("pieces_disclosed", True),
        ("pieces_tiers", True),
        ("certificate_is_own", False),
    ),
    metadata_schema=(
        "contact_sheet",
        "pieces",
        "stills",
        "carousels",
        "slideshows",
        "approved",
        "pending_review",
        "rejected",
        "tiers",
        "tier_plot",
        "score_plot",
        "usd",
        "usd_per_piece",
    ),
    run=_content_pieces,
)

CONTENT_STAGES: tuple[StageSpec, ...] = (
    EXAMS_STAGE,
    PLANS_STAGE,
    IMAGES_STAGE,
    COPY_STAGE,
    PIECES_STAGE,
)
