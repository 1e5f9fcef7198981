"""Embeddings by OpenAI. Belongs here: batches, order, lengths, usage. Does not: storing, search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vixen_pipeline.errors import Transient
from vixen_pipeline.providers.failures import UNREADABLE, edge
from vixen_pipeline.providers.openai_client import PROVIDER, OpenAIClient, openai_client
from vixen_pipeline.providers.ports import EMBEDDING_DIMENSIONS, Embedder, Usage
from vixen_pipeline.providers.text import token_usage
from vixen_pipeline.settings import Settings

if TYPE_CHECKING:
    from openai.types import CreateEmbeddingResponse

BATCH = 128
"""Texts per request; the provider takes 2,048 texts and 300,000 tokens."""


class OpenAIEmbedder:
    """The Embedder port on OpenAI. Thread-safe."""

    def __init__(self, client: OpenAIClient, *, model: str) -> None:
        self._client = client
        self._model = model

    @property
    def model(self) -> str:
        return self._model

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], tuple[Usage, ...]]:
        vectors: list[list[float]] = []
        tokens = 0
        for start in range(0, len(texts), BATCH):
            batch = list(texts[start : start + BATCH])
            with edge(PROVIDER, repeatable=True):
                reply = self._client().embeddings.create(
                    input=batch, model=self._model, dimensions=EMBEDDING_DIMENSIONS
                )
            vectors.extend(_in_order(reply, len(batch)))
            tokens += reply.usage.prompt_tokens
        return vectors, token_usage(PROVIDER, self._model, {"input": tokens})


def _in_order(reply: CreateEmbeddingResponse, count: int) -> list[list[float]]:
    """By the index each vector states, never by list position."""
    by_index = {item.index: item.embedding for item in reply.data}
    if set(by_index) != set(range(count)) or any(
        len(vector) != EMBEDDING_DIMENSIONS for vector in by_index.values()
    ):
        raise Transient(
            PROVIDER,
            f"answered {len(reply.data)} vectors for {count} texts, or of another length than "
            f"{EMBEDDING_DIMENSIONS}.",
            code=UNREADABLE,
        )
    return [by_index[index] for index in range(count)]


def build_embedder(settings: Settings) -> Embedder:
    """The embedder of this instance. Raises SettingsMissing."""
    return OpenAIEmbedder(openai_client(settings), model=settings.openai_embedding_model)
