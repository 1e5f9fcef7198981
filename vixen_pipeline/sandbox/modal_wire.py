"""The bodies of the inference function and their limits. See modal_api.py for the routes.

Belongs here: what a request may hold, and which of it makes a request another request. Does not:
answers, pictures.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MODEL = "sdxl-base-1.0"
MODEL_DIGEST = hashlib.sha256(f"sandbox {MODEL}".encode()).hexdigest()
GPU = "L40S"
IMAGE_SECONDS = 4.0
"""What one picture is billed at: about what such a GPU takes for one, whatever drawing took."""
MOST_PROMPTS = 64


class Prompt(BaseModel):
    """One picture: `id` ties the answer to it. Pixels are multiples of 8."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=128)
    prompt: str = Field(min_length=1, max_length=4000)
    negative_prompt: str = Field("", max_length=4000)
    seed: int = Field(ge=0, lt=2**63)
    width: int = Field(1024, ge=256, le=1536, multiple_of=8)
    height: int = Field(1024, ge=256, le=1536, multiple_of=8)


class Generate(BaseModel):
    """The body of POST /generate. `request_id` is an idempotency key: it is worked on once."""

    model_config = ConfigDict(extra="forbid")

    request_id: str = Field(min_length=1, max_length=200)
    weights_url: str = Field(pattern=r"^https?://")
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    embeddings_url: str | None = Field(None, pattern=r"^https?://")
    embeddings_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    trigger_word: str | None = Field(None, min_length=1, max_length=64)
    prompts: list[Prompt] = Field(min_length=1, max_length=MOST_PROMPTS)
    steps: int = Field(30, ge=1, le=100)
    guidance: float = Field(6.0, ge=0, le=30)
    lora_scale: float = Field(0.8, ge=0, le=2)
    format: Literal["jpg", "png", "webp"] = "jpg"

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Generate:
        ids = [prompt.id for prompt in self.prompts]
        if len(set(ids)) != len(ids):
            raise ValueError("prompt ids must be unique within a call")
        return self

    @model_validator(mode="after")
    def _embeddings_come_with_their_digest(self) -> Generate:
        if (self.embeddings_url is None) != (self.embeddings_sha256 is None):
            raise ValueError("embeddings_url and embeddings_sha256 go together")
        return self

    @property
    def digest(self) -> str:
        """Of everything but the id and the URLs, which are signed anew for each try."""
        urls = {"request_id", "weights_url", "embeddings_url"}
        content = json.dumps(self.model_dump(exclude=urls), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()
