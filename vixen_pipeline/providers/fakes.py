"""In-memory fakes of every port, shipped and typed, for unit tests of what stands on the ports.

Belongs here: the fakes of text, embeddings, moderation, and the names of all of them. Does not:
wire protocols (the sandbox speaks those), anything a running pipeline uses. Each fake counts its
calls, raises what it is told to raise, and is safe to use from several threads.
"""

from __future__ import annotations

import hashlib
import math
import re
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from pydantic import BaseModel

from vixen_pipeline.providers.fakes_media import (
    FakeImageModel,
    FakeTrainer,
    MemoryObjectStore,
    draw_pattern,
)
from vixen_pipeline.providers.ports import (
    EMBEDDING_DIMENSIONS,
    CutOff,
    ModerationResult,
    Refused,
    T,
    Usage,
    Written,
)
from vixen_pipeline.providers.schema_samples import sample

__all__ = [
    "FakeEmbedder",
    "FakeImageModel",
    "FakeModerator",
    "FakeTextModel",
    "FakeTrainer",
    "MemoryObjectStore",
    "TextCall",
    "draw_pattern",
    "refused",
]

Answer = BaseModel | Refused | CutOff | Exception
Respond = Callable[[type[BaseModel], str, str], Answer | None]


@dataclass(frozen=True, slots=True)
class TextCall:
    """What a FakeTextModel was asked."""

    schema: type[BaseModel]
    system: str
    prompt: str
    max_tokens: int


def refused(reason: str = "refused by the fake") -> Refused:
    """A refusal to hand to `FakeTextModel.answer`."""
    return Refused(reason=reason, provider="fake", model="fake-text", usage=())


class FakeTextModel:
    """Answers with, in this order: what `answer` queued, what `respond` returns, a sample.

    An Exception in place of an answer is raised. `calls` holds every call.
    """

    def __init__(self, respond: Respond | None = None) -> None:
        self._respond = respond
        self._queue: deque[Answer] = deque()
        self._lock = threading.Lock()
        self.calls: list[TextCall] = []

    def answer(self, *answers: Answer) -> None:
        """Queue answers for the next calls."""
        with self._lock:
            self._queue.extend(answers)

    def write(
        self, schema: type[T], *, system: str, prompt: str, max_tokens: int = 4096
    ) -> Written[T] | Refused | CutOff:
        with self._lock:
            self.calls.append(TextCall(schema, system, prompt, max_tokens))
            found: Answer | None = self._queue.popleft() if self._queue else None
        if found is None and self._respond is not None:
            found = self._respond(schema, system, prompt)
        if found is None:
            found = sample(schema)
        if isinstance(found, Exception):
            raise found
        if isinstance(found, Refused | CutOff):
            return found
        usage = (
            _tokens("input", system + prompt),
            _tokens("output", found.model_dump_json()),
        )
        return Written(cast(T, found), "fake", "fake-text", usage)


def _tokens(kind: str, text: str) -> Usage:
    """Priced like the default model, so that costs can be recorded."""
    return Usage("anthropic", f"claude-haiku-5-5:{kind}", Decimal(len(text.split())))


class FakeEmbedder:
    """Bags of words as unit vectors: texts that share words are near, the same text is equal."""

    def __init__(self, model: str = "fake-embedding") -> None:
        self._model = model
        self.fail_next: Exception | None = None
        self.calls: list[tuple[str, ...]] = []

    @property
    def model(self) -> str:
        return self._model

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], tuple[Usage, ...]]:
        failure, self.fail_next = self.fail_next, None
        if failure is not None:
            raise failure
        if not texts:
            return [], ()
        self.calls.append(tuple(texts))
        words = sum(len(text.split()) for text in texts)
        usage = (Usage("openai", "text-embedding-3-small:input", Decimal(words)),)
        return [_bag_of_words(text) for text in texts], usage


def _bag_of_words(text: str) -> list[float]:
    vector = [0.0] * EMBEDDING_DIMENSIONS
    for word in re.findall(r"\w+", text.lower()) or [""]:
        digest = hashlib.sha256(word.encode()).digest()
        vector[int.from_bytes(digest[:4], "big") % EMBEDDING_DIMENSIONS] += 1.0
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


class FakeModerator:
    """Flags texts that contain one of `flag_words` and images for which `flag_image` says so."""

    def __init__(
        self,
        flag_words: Sequence[str] = (),
        flag_image: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.flag_words = tuple(word.lower() for word in flag_words)
        self.flag_image = flag_image
        self.unavailable: Exception | None = None
        """While set, every call raises it: unavailable is never a pass."""
        self.texts: list[str] = []
        self.images = 0

    def moderate_texts(self, texts: Sequence[str]) -> list[ModerationResult]:
        if self.unavailable is not None:
            raise self.unavailable
        self.texts.extend(texts)
        return [_verdict(any(w in text.lower() for w in self.flag_words)) for text in texts]

    def moderate_image(self, image: bytes, content_type: str) -> ModerationResult:
        if self.unavailable is not None:
            raise self.unavailable
        self.images += 1
        return _verdict(self.flag_image is not None and self.flag_image(image))


def _verdict(flagged: bool) -> ModerationResult:
    return ModerationResult(
        flagged=flagged,
        categories=("sexual",) if flagged else (),
        scores={
            "sexual": 0.99 if flagged else 0.01,
            **dict.fromkeys(("violence", "violence/graphic", "self-harm"), 0.0),
        },
        model="fake-moderation",
    )
