"""Fixtures: one tiny pipeline per session, weights served over HTTP, a studio on top."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tiny_sdxl
import torch
from file_server import FileServer, serving

from vixen_inference.inference import Studio
from vixen_inference.model import Model
from vixen_inference.weights import WeightsCache
from vixen_inference.wire import Generate

MODEL = Model("tiny-sdxl", "d" * 64, "CPU")


@dataclass
class Allowing:
    """A checker that allows, flags or fails by image number."""

    flags: frozenset[int] = frozenset()
    breaks: frozenset[int] = frozenset()
    seen: int = 0

    def allows(self, image: Any) -> bool:
        del image
        number, self.seen = self.seen, self.seen + 1
        if number in self.breaks:
            raise RuntimeError("no kernel for this")
        return number not in self.flags


@dataclass(frozen=True)
class Weights:
    """Served files by name, with their digests."""

    folder: Path
    server: FileServer

    def sha256(self, name: str) -> str:
        return hashlib.sha256((self.folder / name).read_bytes()).hexdigest()

    def body(
        self, lora: str = "lora.safetensors", embeddings: str | None = None, **changes: Any
    ) -> Generate:
        """A call of one small image with these weights; `changes` replace fields."""
        values: dict[str, Any] = {
            "request_id": "request-1",
            "weights_url": self.server.url(lora),
            "weights_sha256": self.sha256(lora),
            "prompts": [prompt()],
            "steps": 2,
            "format": "png",
        }
        if embeddings is not None:
            values["embeddings_url"] = self.server.url(embeddings)
            values["embeddings_sha256"] = self.sha256(embeddings)
            values["trigger_word"] = "vxn_luna"
        return Generate.model_validate({**values, **changes})


def prompt(name: str = "a", **changes: Any) -> dict[str, Any]:
    values = {"id": name, "prompt": "vxn_luna in a park", "seed": 3, "width": 256, "height": 256}
    return {**values, **changes}


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.set_num_threads(1)
    return tiny_sdxl.pipeline(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory, pipeline: Any) -> Generator[Weights]:
    folder = tmp_path_factory.mktemp("weights")
    tiny_sdxl.trainer_lora(folder / "lora.safetensors", pipeline.unet)
    tiny_sdxl.trainer_lora(folder / "other.safetensors", pipeline.unet, seed=2)
    tiny_sdxl.trainer_embeddings(folder / "embeddings.pti")
    with serving(folder) as server:
        yield Weights(folder, server)


@pytest.fixture
def checker() -> Allowing:
    return Allowing()


@pytest.fixture
def cache(tmp_path: Path) -> WeightsCache:
    return WeightsCache(tmp_path / "cache", read_s=5)


@pytest.fixture
def studio(pipeline: Any, checker: Allowing, cache: WeightsCache) -> Studio:
    return Studio(pipeline, checker, cache, MODEL)
