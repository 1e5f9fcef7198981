"""What each model family on Replicate calls its inputs, and on which hardware it runs.

Belongs here: tables and pure functions over them. Does not: requests. `required` inputs must be in
the version's own schema; `optional` ones are sent only where it has them, because versions of the
same model differ (InstantID dropped width and height, for one). Skus are
those of provider `replicate` in the price book. Look-up date: 2026-11.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from vixen_pipeline.providers.ports import ImageRequest, TrainingRequest

Value = str | int | float | bool
DEAREST = "gpu-h100"
"""Booked for a model whose hardware is not in these tables: never too little."""


@dataclass(frozen=True, slots=True)
class ImageFamily:
    """`reference` is the input that takes a face, None when the model takes none."""

    prompt: str = "prompt"
    negative_prompt: str | None = "negative_prompt"
    seed: str = "seed"
    width: str | None = "width"
    height: str | None = "height"
    reference: str | None = None
    constants: Mapping[str, Value] = field(default_factory=dict[str, Value])
    sku: str = DEAREST


_JPEG = {"output_format": "jpg", "output_quality": 95, "num_outputs": 1}

_IMAGE_FAMILIES: dict[str, ImageFamily] = {
    "stability-ai/sdxl": ImageFamily(
        constants={"num_outputs": 1, "apply_watermark": False}, sku="gpu-l40s"
    ),
    "zsxkib/instant-id": ImageFamily(reference="image", constants=_JPEG, sku="gpu-l40s"),
    "zsxkib/flux-pulid": ImageFamily(reference="main_face_image", constants=_JPEG, sku="gpu-h100"),
    "bytedance/flux-pulid": ImageFamily(
        reference="main_face_image", constants=_JPEG, sku="gpu-h100"
    ),
    "zsxkib/pulid": ImageFamily(
        width="image_width",
        height="image_height",
        reference="main_face_image",
        constants={"output_format": "jpg", "output_quality": 95, "num_samples": 1},
        sku="gpu-l40s",
    ),
    "black-forest-labs/flux-kontext-dev": ImageFamily(
        negative_prompt=None,
        width=None,
        height=None,
        reference="input_image",
        constants={"output_format": "jpg", "output_quality": 95},
        sku="gpu-h100",
    ),
}
_OTHER = ImageFamily(reference="image", constants=_JPEG)


def image_family(model: str) -> ImageFamily:
    """By slug, then by a word in it (a fork of InstantID has InstantID's inputs)."""
    slug = model.partition(":")[0]
    if slug in _IMAGE_FAMILIES:
        return _IMAGE_FAMILIES[slug]
    name = slug.rpartition("/")[2]
    for word, kin in (
        ("instant-id", "zsxkib/instant-id"),
        ("flux-pulid", "zsxkib/flux-pulid"),
        ("pulid", "zsxkib/pulid"),
        ("kontext", "black-forest-labs/flux-kontext-dev"),
        ("sdxl", "stability-ai/sdxl"),
    ):
        if word in name:
            return _IMAGE_FAMILIES[kin]
    return _OTHER


def image_inputs(request: ImageRequest, known: Collection[str]) -> dict[str, Value]:
    """The inputs to send; `known` are the names in the version's schema."""
    family = image_family(request.model)
    wanted: dict[str | None, Value] = {
        **family.constants,
        family.negative_prompt: request.negative_prompt,
        family.width: request.width,
        family.height: request.height,
    }
    inputs = {name: value for name, value in wanted.items() if name is not None and name in known}
    inputs[family.prompt] = request.prompt
    inputs[family.seed] = request.seed
    if request.reference_url is not None and family.reference is not None:
        inputs[family.reference] = request.reference_url
    return inputs


def image_inputs_missing(model: str, known: Collection[str], *, reference: bool) -> list[str]:
    """Inputs that must be there and are not in the version's schema."""
    family = image_family(model)
    needed = [family.prompt, family.seed]
    if reference and family.reference is not None:
        needed.append(family.reference)
    return [name for name in needed if name not in known]


@dataclass(frozen=True, slots=True)
class TrainerFamily:
    """`seed` is None for a trainer that takes none: its jobs are found by destination alone."""

    images: str
    trigger_word: str
    caption_prefix: str | None
    steps: str
    rank: str
    resolution: str
    seed: str | None
    text_resolution: bool = False
    constants: Mapping[str, Value] = field(default_factory=dict[str, Value])
    sku: str = DEAREST


_SDXL = TrainerFamily(
    images="input_images",
    trigger_word="token_string",
    caption_prefix="caption_prefix",
    steps="max_train_steps",
    rank="lora_rank",
    resolution="resolution",
    seed="seed",
    constants={"is_lora": True, "input_images_filetype": "zip"},
    sku="gpu-h100",
)
_FLUX = TrainerFamily(
    images="input_images",
    trigger_word="trigger_word",
    caption_prefix=None,
    steps="steps",
    rank="lora_rank",
    resolution="resolution",
    seed=None,
    text_resolution=True,
    constants={"autocaption": False},
    sku="gpu-h100",
)


def trainer_family(trainer: str) -> TrainerFamily:
    """SDXL unless the name says FLUX."""
    return _FLUX if "flux" in trainer.partition(":")[0] else _SDXL


def trainer_inputs(request: TrainingRequest, known: Collection[str]) -> dict[str, Value]:
    """The inputs of one training; `known` are the names in the version's schema."""
    family = trainer_family(request.trainer)
    inputs: dict[str, Value] = {k: v for k, v in family.constants.items() if k in known}
    inputs |= {
        family.images: request.images_url,
        family.trigger_word: request.trigger_word,
        family.steps: request.steps,
        family.rank: request.rank,
        family.resolution: str(request.resolution)
        if family.text_resolution
        else request.resolution,
    }
    if family.seed is not None:
        inputs[family.seed] = request.seed
    if family.caption_prefix is not None and family.caption_prefix in known:
        inputs[family.caption_prefix] = request.caption_prefix
    return inputs


def trainer_inputs_missing(trainer: str, known: Collection[str]) -> list[str]:
    """Inputs that must be there and are not in the version's training schema."""
    family = trainer_family(trainer)
    needed = [
        family.images,
        family.trigger_word,
        family.steps,
        family.rank,
        family.resolution,
        family.seed,
    ]
    return [name for name in needed if name is not None and name not in known]
