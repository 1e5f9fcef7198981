"""The models the sandbox offers, with their schemas. Belongs here: facts. Does not: routes.

Input and output shapes follow the public models; the sandbox's images are JPEG unless asked
otherwise. Version ids are made from the name, so they are the same everywhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

COG_VERSION = "0.16.9"
HARDWARE = (
    ("CPU", "cpu"),
    ("Nvidia T4 GPU", "gpu-t4"),
    ("Nvidia L40S GPU", "gpu-l40s"),
    ("Nvidia A100 (80GB) GPU", "gpu-a100-large"),
    ("Nvidia H100 GPU", "gpu-h100"),
)
# 0.001525 USD a second on an H100: about 2.50 USD for one training.
TRAINING_BILLED_SECONDS = 1639.0
PREDICTION_BILLED_SECONDS = 6.5

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """A public model. `reference` names the input that holds the person's picture, if any."""

    owner: str
    name: str
    description: str
    hardware: str
    inputs: dict[str, Schema]
    required: tuple[str, ...]
    reference: str | None = None
    training: dict[str, Schema] | None = None
    training_required: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def version(self) -> str:
        return version_id(self.slug)


def version_id(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()


def _text(description: str, default: str | None = None) -> Schema:
    return _with_default({"type": "string", "description": description}, default)


def _uri(description: str) -> Schema:
    return {"type": "string", "format": "uri", "description": description}


def _integer(description: str, default: int | None, low: int, high: int) -> Schema:
    bounds = {"type": "integer", "description": description, "minimum": low, "maximum": high}
    return _with_default(bounds, default)


def _number(description: str, default: float, low: float, high: float) -> Schema:
    bounds = {"type": "number", "description": description, "minimum": low, "maximum": high}
    return _with_default(bounds, default)


def _flag(description: str, default: bool) -> Schema:
    return {"type": "boolean", "description": description, "default": default}


def _choice(description: str, default: str, *values: str) -> Schema:
    return {"type": "string", "description": description, "default": default, "enum": list(values)}


def _with_default(schema: Schema, default: Any) -> Schema:
    return schema if default is None else {**schema, "default": default}


def _common(low: int = 256, high: int = 2048) -> dict[str, Schema]:
    return {
        "prompt": _text("Input prompt", "An astronaut riding a rainbow unicorn"),
        "negative_prompt": _text("Input negative prompt", ""),
        "width": _integer("Width of the output image", 1024, low, high),
        "height": _integer("Height of the output image", 1024, low, high),
        "seed": _integer("Random seed. Leave blank to randomize the seed", None, 0, 2**32 - 1),
        "num_outputs": _integer("Number of images to output", 1, 1, 4),
        "num_inference_steps": _integer("Number of denoising steps", 30, 1, 500),
        "guidance_scale": _number("Scale for classifier-free guidance", 7.5, 0, 50),
        "output_format": _choice("Format of the output images", "jpg", "webp", "jpg", "png"),
        "output_quality": _integer("Quality of the output images", 90, 0, 100),
        "disable_safety_checker": _flag("Disable the safety checker", False),
    }


_SDXL_TRAINING: dict[str, Schema] = {
    "input_images": _uri("A .zip or .tar file of images that will be used for fine-tuning"),
    "seed": _integer("Random seed for reproducible training", None, 0, 2**32 - 1),
    "resolution": _integer("Square pixel resolution of the training images", 768, 256, 2048),
    "train_batch_size": _integer("Batch size (per device) for training", 4, 1, 64),
    "num_train_epochs": _integer("Number of epochs", 4000, 1, 1_000_000),
    "max_train_steps": _integer("Number of individual training steps", 1000, 1, 100_000),
    "is_lora": _flag("Whether to use LoRA training", True),
    "unet_learning_rate": _number("Learning rate for the U-Net", 1e-6, 0, 1),
    "ti_lr": _number("Scaling of learning rate for textual inversion embeddings", 3e-4, 0, 1),
    "lora_lr": _number("Scaling of learning rate for LoRA embeddings", 1e-4, 0, 1),
    "lora_rank": _integer("Rank of LoRA embeddings", 32, 1, 256),
    "lr_scheduler": _choice("Learning rate scheduler", "constant", "constant", "linear"),
    "lr_warmup_steps": _integer("Number of warmup steps", 100, 0, 100_000),
    "token_string": _text("Unique string that refers to the concept", "TOK"),
    "caption_prefix": _text("Text used as prefix during automatic captioning", "a photo of TOK, "),
    "mask_target_prompts": _text("Prompt that describes part of the image to focus on"),
    "crop_based_on_salience": _flag("Crop to the salient part", True),
    "use_face_detection_instead": _flag("Use face detection instead of CLIPSeg", False),
    "clipseg_temperature": _number("How blurry the CLIPSeg mask is", 1.0, 0, 100),
    "verbose": _flag("Verbose output", True),
    "checkpointing_steps": _integer("Steps between checkpoints", 999_999, 1, 1_000_000),
    "input_images_filetype": _choice("Filetype of the images", "infer", "infer", "zip", "tar"),
}

CATALOG: tuple[CatalogModel, ...] = (
    CatalogModel(
        "stability-ai",
        "sdxl",
        "A text-to-image generative AI model that creates beautiful images",
        "gpu-l40s",
        {
            **_common(),
            "image": _uri("Input image for img2img or inpaint mode"),
            "mask": _uri("Input mask for inpaint mode"),
            "scheduler": _text("scheduler", "K_EULER"),
            "prompt_strength": _number("Prompt strength for img2img", 0.8, 0, 1),
            "refine": _text("Which refine style to use", "no_refiner"),
            "lora_scale": _number("LoRA additive scale", 0.6, 0, 1),
            "apply_watermark": _flag("Applies a watermark", True),
            "replicate_weights": _text("Replicate LoRA weights to use"),
        },
        (),
        training=_SDXL_TRAINING,
        training_required=("input_images",),
    ),
    CatalogModel(
        "zsxkib",
        "instant-id",
        "Make realistic images of one person from a single picture of the face",
        "gpu-l40s",
        {
            **_common(high=4096),
            "image": _uri("Input face image"),
            "pose_image": _uri("Reference pose image"),
            "ip_adapter_scale": _number("Scale for image adapter strength", 0.8, 0, 1.5),
            "controlnet_conditioning_scale": _number("Scale for IdentityNet strength", 0.8, 0, 1.5),
            "face_detection_input_width": _integer("Width for face detection", 640, 640, 4096),
            "face_detection_input_height": _integer("Height for face detection", 640, 640, 4096),
            "sdxl_weights": _text("Base weights", "stable-diffusion-xl-base-1.0"),
            "scheduler": _text("Scheduler", "EulerDiscreteScheduler"),
            "enhance_nonface_region": _flag("Enhance non-face region", True),
        },
        ("image",),
        reference="image",
    ),
    CatalogModel(
        "zsxkib",
        "pulid",
        "Identity-preserving images of one person from a single picture of the face",
        "gpu-l40s",
        {**_common(), "main_face_image": _uri("The main face image")},
        ("main_face_image",),
        reference="main_face_image",
    ),
    CatalogModel(
        "black-forest-labs",
        "flux-kontext-pro",
        "Text-based image editing that keeps the person of the input image",
        "gpu-h100",
        {**_common(), "input_image": _uri("Image to use as reference")},
        ("prompt",),
        reference="input_image",
    ),
)
BY_SLUG = {model.slug: model for model in CATALOG}
BY_VERSION = {model.version: model for model in CATALOG}


def openapi_schema(model: CatalogModel) -> dict[str, Any]:
    """The OpenAPI document of a version: Input, Output and, for trainers, TrainingInput."""
    output = {"type": "array", "items": {"type": "string", "format": "uri"}, "title": "Output"}
    schemas: dict[str, Any] = {
        "Input": _object("Input", model.inputs, model.required),
        "Output": output,
    }
    if model.training is not None:
        schemas["TrainingInput"] = _object("TrainingInput", model.training, model.training_required)
        uri = {"type": "string", "format": "uri"}
        schemas["TrainingOutput"] = _object("TrainingOutput", {"weights": uri}, ("weights",))
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": {},
        "components": {"schemas": schemas},
    }


def _object(title: str, properties: dict[str, Schema], required: tuple[str, ...]) -> Schema:
    ordered = {
        name: {**schema, "title": name.replace("_", " ").title(), "x-order": index}
        for index, (name, schema) in enumerate(properties.items())
    }
    return {"type": "object", "title": title, "required": list(required), "properties": ordered}


def input_problems(
    given: dict[str, Any], properties: dict[str, Schema], required: tuple[str, ...]
) -> list[str]:
    """What is wrong with an input, one line each, worded as the provider words it."""
    problems = [f"- input: {name} is required" for name in required if given.get(name) is None]
    for name, value in given.items():
        schema = properties.get(name)
        if schema is not None and value is not None:
            problem = _value_problem(value, schema)
            if problem is not None:
                problems.append(f"- input.{name}: {problem}")
    return problems


_URI_STARTS = ("http://", "https://", "data:")


def _value_problem(value: Any, schema: Schema) -> str | None:
    kind = schema["type"]
    right = {
        "string": isinstance(value, str),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
    }[kind]
    if not right:
        return f"Invalid type. Expected: {kind}, given: {type(value).__name__}"
    if "enum" in schema and value not in schema["enum"]:
        return f"Must be one of the following: {', '.join(map(repr, schema['enum']))}"
    if "minimum" in schema and value < schema["minimum"]:
        return f"Must be greater than or equal to {schema['minimum']}"
    if "maximum" in schema and value > schema["maximum"]:
        return f"Must be less than or equal to {schema['maximum']}"
    if schema.get("format") == "uri" and not str(value).startswith(_URI_STARTS):
        return "Does not match format 'uri'"
    return None
