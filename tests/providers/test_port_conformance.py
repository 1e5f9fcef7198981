"""The shipped fakes keep the promises that the real clients keep: the same assertions for both."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from pydantic import BaseModel, Field

from vixen_pipeline.costs import PriceBook
from vixen_pipeline.db.models.identity import EMBEDDING_DIMENSIONS as COLUMN_DIMENSIONS
from vixen_pipeline.errors import Permanent
from vixen_pipeline.providers import fakes
from vixen_pipeline.providers.embeddings import build_embedder
from vixen_pipeline.providers.moderation import build_moderator
from vixen_pipeline.providers.objects import build_object_store
from vixen_pipeline.providers.ports import (
    EMBEDDING_DIMENSIONS,
    Embedder,
    ImageModel,
    ImageRequest,
    Moderator,
    ObjectStore,
    TextModel,
    Usage,
    Written,
)
from vixen_pipeline.providers.replicate_images import build_image_model
from vixen_pipeline.providers.text import build_text_model
from vixen_pipeline.settings import Settings

V = TypeVar("V")
KINDS = ("fake", "real")
TODAY = datetime.now(UTC).date()


class Persona(BaseModel):
    name: str = Field(min_length=2, max_length=60)
    biography: str = Field(min_length=20, max_length=600)
    interests: list[str] = Field(min_length=3, max_length=8)


def either(kind: str, fake: Callable[[], V], request: pytest.FixtureRequest, real: str) -> V:
    """The fake without any server, or the client that `real` builds against the sandbox."""
    if kind == "fake":
        return fake()
    builders = {
        "text": build_text_model,
        "embedder": build_embedder,
        "moderator": build_moderator,
        "images": build_image_model,
        "objects": build_object_store,
    }
    request.getfixturevalue("sandbox")
    settings: Settings = request.getfixturevalue("settings")
    return builders[real](settings)  # type: ignore[return-value]


def assert_priced(usages: tuple[Usage, ...]) -> None:
    assert usages
    book = PriceBook.load()
    for usage in usages:
        assert usage.units > 0
        assert book.price(usage.provider, usage.sku, TODAY)


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_written_to_the_schema_and_billed(
    kind: str, request: pytest.FixtureRequest
) -> None:
    model: TextModel = either(kind, fakes.FakeTextModel, request, "text")
    answer = model.write(Persona, system="You write personas.", prompt="A fitness coach.")
    assert isinstance(answer, Written)
    assert Persona.model_validate(answer.value.model_dump())
    assert answer.provider
    assert answer.model
    assert_priced(answer.usage)


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_come_in_order_and_the_same_text_is_at_the_same_place(
    kind: str, request: pytest.FixtureRequest
) -> None:
    embedder: Embedder = either(kind, fakes.FakeEmbedder, request, "embedder")
    texts = ["a runner in Lisbon", "a chess player", "a runner in Lisbon"]
    vectors, usages = embedder.embed(texts)
    assert [len(vector) for vector in vectors] == [EMBEDDING_DIMENSIONS] * 3
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-6)
    assert vectors[0] != vectors[1]
    assert math.sqrt(sum(x * x for x in vectors[0])) == pytest.approx(1, abs=1e-3)
    assert embedder.model
    assert_priced(usages)
    assert embedder.embed([]) == ([], ())


def test_the_port_and_the_database_agree_on_the_length_of_a_vector() -> None:
    assert EMBEDDING_DIMENSIONS == COLUMN_DIMENSIONS


@pytest.mark.parametrize("kind", KINDS)
def test_harmless_texts_and_images_pass_moderation_with_scores(
    kind: str, request: pytest.FixtureRequest
) -> None:
    moderator: Moderator = either(kind, fakes.FakeModerator, request, "moderator")
    verdicts = moderator.moderate_texts([f"a walk in the park, day {n}" for n in range(40)])
    verdicts.append(moderator.moderate_image(fakes.draw_pattern(image_request(1)), "image/jpeg"))
    assert len(verdicts) == 41
    for verdict in verdicts:
        assert not verdict.flagged
        assert verdict.categories == ()
        assert verdict.scores
        assert all(0 <= score <= 1 for score in verdict.scores.values())


def image_request(seed: int) -> ImageRequest:
    return ImageRequest(
        model="stability-ai/sdxl",
        prompt="portrait of a woman with black hair",
        negative_prompt="blurry",
        seed=seed,
        width=256,
        height=256,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_made_found_again_and_fetched(kind: str, request: pytest.FixtureRequest) -> None:
    images: ImageModel = either(kind, fakes.FakeImageModel, request, "images")
    since = datetime.now(UTC) - timedelta(minutes=1)
    name = images.check_model("stability-ai/sdxl")
    assert name.startswith("stability-ai/sdxl:")
    images.prepare(image_request(1))
    assert images.find(image_request(1), since) is None, "preparing makes nothing"
    one, two = images.create(image_request(1)), images.create(image_request(2))
    assert (one.status, two.status) == ("succeeded", "succeeded")
    found = images.find(image_request(1), since)
    assert found is not None
    assert found.id == one.id
    assert images.find(image_request(3), since) is None
    assert images.get(two.id).outputs == two.outputs
    first, second = (images.fetch(job.outputs[0], 5_000_000) for job in (one, two))
    assert first.startswith(b"\xff\xd8")
    assert first != second
    assert one.sku is not None
    assert_priced((Usage("replicate", one.sku, one.billed_seconds or 0),))  # type: ignore[arg-type]
    with pytest.raises(Permanent, match="exceeds"):
        images.fetch(one.outputs[0], 10)
    with pytest.raises(Permanent):
        images.get("no-such-id")


@pytest.mark.parametrize("kind", KINDS)
def test_objects_are_written_once_and_read_back(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store: ObjectStore = either(kind, fakes.MemoryObjectStore, request, "objects")
    stored = store.put("a/b.txt", b"hello", "text/plain")
    assert (stored.bytes, stored.sha256) == (5, hashlib.sha256(b"hello").hexdigest())
    assert store.put("a/b.txt", b"hello", "text/plain") == stored
    path = tmp_path / "file.bin"
    path.write_bytes(b"x" * 100_000)
    assert store.put_file("a/file.bin", path, "application/octet-stream").bytes == 100_000
    assert store.get("a/file.bin") == path.read_bytes()
    assert store.exists("a/b.txt")
    assert not store.exists("a/nothing.txt")
    with pytest.raises(Permanent, match=r"a/nothing\.txt") as caught:
        store.get("a/nothing.txt")
    assert caught.value.code == "NoSuchKey"
    url = store.presign("a/b.txt", 60)
    assert url.startswith("http")
    if kind == "real":
        assert httpx.get(url).content == b"hello"
