"""The base model and the safety checker: pinned, fetched once, digested, loaded.

Belongs here: which model it is. Does not: drawing. Fetched while the Modal image is built, so a
cold start reads it from local disk. Both are named by commit: the hub's `main` may change. This
module needs no other of ours: the image holds it below the models, so that a change elsewhere does
not fetch them again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vixen_inference.safety import ClipChecker

NAME = "sdxl-base-1.0"
BASE = ("stabilityai/stable-diffusion-xl-base-1.0", "462165984030d82259a11f4367a4eed129e94a7b")
CHECKER = ("CompVis/stable-diffusion-safety-checker", "cb41f3a270d63d454d385fc2e4f571c487c253c5")
BASE_FOLDER, CHECKER_FOLDER = "base", "safety-checker"
_DIGEST = "digest.json"
# Half precision only, and neither the other frameworks' files nor the demo pictures.
_BASE_FILES = ["*.json", "*.txt", "*.fp16.safetensors"]
_CHECKER_FILES = ["*.json", "pytorch_model.bin", "model.safetensors"]
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Model:
    """The base model: its name, the SHA-256 over its files, and what it runs on."""

    name: str
    digest: str
    gpu: str


def fetch(root: Path) -> None:
    """Download both into `root` and write down what they are. Runs while the image is built."""
    from huggingface_hub import snapshot_download

    wanted = (
        (BASE, BASE_FOLDER, _BASE_FILES),
        (CHECKER, CHECKER_FOLDER, _CHECKER_FILES),
    )
    for (repository, revision), folder, patterns in wanted:
        snapshot_download(
            repository, revision=revision, local_dir=root / folder, allow_patterns=patterns
        )
    digest = digest_of(root / BASE_FOLDER)
    (root / _DIGEST).write_text(json.dumps({"model": NAME, "digest": digest}))


def digest_of(folder: Path) -> str:
    """One SHA-256 over a model's files: of the lines `<sha256>  <path>`, sorted by path."""
    files = sorted(
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    lines = "".join(f"{_sha256(folder / path)}  {path.as_posix()}\n" for path in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def described(root: Path, gpu: str) -> Model:
    """What `fetch` wrote down."""
    content = json.loads((root / _DIGEST).read_text())
    return Model(str(content["model"]), str(content["digest"]), gpu)


def load(root: Path, device: str) -> tuple[Any, ClipChecker]:
    """The pipeline and its checker on `device`, in half precision."""
    import torch
    from diffusers import StableDiffusionXLPipeline
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPImageProcessorPil

    from vixen_inference.safety import ClipChecker

    pipeline = StableDiffusionXLPipeline.from_pretrained(
        root / BASE_FOLDER,
        dtype=torch.float16,
        variant="fp16",
        use_safetensors=True,
        add_watermarker=False,  # provenance is signed into the finished file by the pipeline
    ).to(device)
    pipeline.set_progress_bar_config(disable=True)
    checker = StableDiffusionSafetyChecker.from_pretrained(
        root / CHECKER_FOLDER, dtype=torch.float16
    ).to(device)
    processor = CLIPImageProcessorPil.from_pretrained(root / CHECKER_FOLDER)
    return pipeline, ClipChecker(checker, processor)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
