"""What the clients really put on the wire, seen by a server that only listens."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from vixen_testkit import listening_socket, serve

from vixen_pipeline.errors import ProviderError, VixenError
from vixen_pipeline.providers.embeddings import build_embedder
from vixen_pipeline.providers.moderation import build_moderator
from vixen_pipeline.providers.objects import build_object_store
from vixen_pipeline.providers.ports import ImageRequest
from vixen_pipeline.providers.replicate_images import build_image_model
from vixen_pipeline.providers.text_anthropic import build_anthropic_text
from vixen_pipeline.providers.text_openai import build_openai_text
from vixen_pipeline.settings import Settings, load_settings


class Note(BaseModel):
    text: str


class Listener:
    """Keeps every request; answers `replies` by path, and 500 for the rest."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.replies: dict[str, tuple[int, Any]] = {}
        self.app = FastAPI()
        methods = ["GET", "POST", "PUT", "HEAD"]
        self.app.add_api_route("/{path:path}", self.answer, methods=methods)

    async def answer(self, path: str, request: Request) -> Response:
        raw = await request.body()
        is_json = request.headers.get("content-type", "").startswith("application/json")
        body = await request.json() if raw and is_json else raw
        self.requests.append((request.method, f"/{path}", dict(request.headers), body))
        status, reply = self.replies.get(f"/{path}", (500, {"error": {"message": "boom"}}))
        return Response(status_code=status) if reply is None else JSONResponse(reply, status)


@pytest.fixture
def listener() -> Generator[Listener]:
    heard = Listener()
    with serve(heard.app, listening_socket()) as url:
        heard.url = url
        yield heard


@pytest.fixture
def settings(listener: Listener, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("VIXEN_HOME", str(tmp_path))
    return load_settings(sandbox_url=listener.url, sandbox_token="token-of-the-sandbox")


def test_claude_is_asked_with_a_cached_system_a_schema_and_no_temperature(
    settings: Settings, listener: Listener
) -> None:
    with pytest.raises(ProviderError):
        build_anthropic_text(settings).write(Note, system="S", prompt="P", max_tokens=99)
    [(_, path, headers, body)] = listener.requests
    assert path == "/anthropic/v1/messages"
    assert headers["authorization"] == "Bearer token-of-the-sandbox"
    assert body["system"] == [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}]
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert body["max_tokens"] == 99
    assert not {"temperature", "top_p", "top_k"} & set(body)


def test_openai_is_asked_strictly_and_stores_nothing(
    settings: Settings, listener: Listener
) -> None:
    with pytest.raises(ProviderError):
        build_openai_text(settings).write(Note, system="S", prompt="P")
    [(_, path, _, body)] = listener.requests
    assert path == "/openai/v1/responses"
    assert body["store"] is False
    assert body["text"]["format"]["strict"] is True
    assert body["text"]["format"]["name"] == "Note"
    assert "temperature" not in body


def test_no_sdk_retries_on_its_own(settings: Settings, listener: Listener) -> None:
    listener.replies["/replicate/v1/predictions/x"] = (503, {"detail": "down"})
    for call in (
        lambda: build_embedder(settings).embed(["a"]),
        lambda: build_moderator(settings).moderate_texts(["a"]),
        lambda: build_image_model(settings).get("x"),
    ):
        before = len(listener.requests)
        with pytest.raises(ProviderError):
            call()
        assert len(listener.requests) == before + 1


def test_a_prediction_waits_less_than_our_own_time_out(
    settings: Settings, listener: Listener
) -> None:
    properties = {name: {} for name in ("prompt", "seed", "width", "height")}
    schema = {"components": {"schemas": {"Input": {"properties": properties}}}}
    version = {"latest_version": {"id": "f" * 64, "openapi_schema": schema}}
    listener.replies["/replicate/v1/models/stability-ai/sdxl"] = (200, version)
    request = ImageRequest("stability-ai/sdxl", "p", "n", 1, 512, 512)
    with pytest.raises(ProviderError):
        build_image_model(settings).create(request)
    _, path, headers, body = listener.requests[-1]
    assert path == "/replicate/v1/predictions"
    assert headers["prefer"] == "wait=60"
    assert settings.replicate_timeout_s > 60
    assert body["version"] == "f" * 64
    assert body["input"] == {"prompt": "p", "seed": 1, "width": 512, "height": 512}


def test_an_official_model_is_run_by_its_name(settings: Settings, listener: Listener) -> None:
    properties = {name: {} for name in ("prompt", "seed", "input_image")}
    schema = {"components": {"schemas": {"Input": {"properties": properties}}}}
    slug = "black-forest-labs/flux-kontext-pro"
    listener.replies[f"/replicate/v1/models/{slug}"] = (
        200,
        {"is_official": True, "latest_version": {"id": "f" * 64, "openapi_schema": schema}},
    )
    images = build_image_model(settings)
    assert images.check_model(slug) == slug
    request = ImageRequest(slug, "p", "n", 1, 512, 512, "https://x.example/face.jpg")
    with pytest.raises(ProviderError):
        images.create(request)
    _, path, _, body = listener.requests[-1]
    assert path == f"/replicate/v1/models/{slug}/predictions"
    assert body["input"]["input_image"] == "https://x.example/face.jpg"


def test_r2_never_sees_a_checksum_that_it_refuses(settings: Settings, listener: Listener) -> None:
    with pytest.raises(VixenError):
        build_object_store(settings).put("a.jpg", b"one", "image/jpeg")
    listener.replies["/s3/vixen"] = (200, None)
    listener.replies["/s3/vixen/a.jpg"] = (200, None)
    build_object_store(settings).put("a.jpg", b"one", "image/jpeg")
    method, _, headers, body = listener.requests[-1]
    assert (method, body) == ("PUT", b"one")
    assert headers["if-none-match"] == "*"
    assert "expect" not in headers
    assert not [name for name in headers if "checksum" in name or "crc" in name]
    assert "aws-chunked" not in headers.get("content-encoding", "")


def test_a_proxy_of_the_environment_is_never_asked_for_this_machine(
    settings: Settings, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for call in (
        lambda: build_anthropic_text(settings).write(Note, system="S", prompt="P"),
        lambda: build_embedder(settings).embed(["a"]),
        lambda: build_image_model(settings).get("x"),
        lambda: build_object_store(settings).exists("a"),
    ):
        before = len(listener.requests)
        with pytest.raises(VixenError):
            call()
        assert len(listener.requests) > before


def test_vectors_are_ordered_by_their_index_and_a_missing_one_is_noticed(
    settings: Settings, listener: Listener
) -> None:
    def entry(index: int) -> dict[str, Any]:
        return {"object": "embedding", "index": index, "embedding": [float(index)] * 1536}

    reply = {"object": "list", "model": "m", "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    listener.replies["/openai/v1/embeddings"] = (200, {**reply, "data": [entry(1), entry(0)]})
    vectors, _ = build_embedder(settings).embed(["a", "b"])
    assert [vector[0] for vector in vectors] == [0.0, 1.0]
    listener.replies["/openai/v1/embeddings"] = (200, {**reply, "data": [entry(1)]})
    with pytest.raises(ProviderError, match="1 vectors for 2 texts"):
        build_embedder(settings).embed(["a", "b"])


@pytest.mark.parametrize(
    "reply",
    [
        {"id": "m", "model": "m", "results": []},
        {"id": "m", "model": "m"},
        {"id": "m", "model": "m", "results": [{"flagged": False}]},
        {"id": "m", "model": "m", "results": [{"flagged": None, "category_scores": {}}]},
        {
            "id": "m",
            "model": "m",
            "results": [
                {"flagged": False, "categories": {}, "category_scores": {"violence": 0.0}},
            ],
        },
    ],
)
def test_moderation_that_cannot_tell_raises(
    settings: Settings, listener: Listener, reply: dict[str, Any]
) -> None:
    listener.replies["/openai/v1/moderations"] = (200, reply)
    with pytest.raises(ProviderError, match="cannot tell"):
        build_moderator(settings).moderate_texts(["a"])


def test_a_category_that_was_not_applied_to_an_image_has_no_score(
    settings: Settings, listener: Listener
) -> None:
    result = {
        "flagged": True,
        "categories": {"sexual": True, "sexual/minors": False},
        "category_scores": {"sexual": 0.9, "sexual/minors": 0.0},
        "category_applied_input_types": {"sexual": ["image"], "sexual/minors": []},
    }
    listener.replies["/openai/v1/moderations"] = (
        200,
        {"id": "m", "model": "omni", "results": [result]},
    )
    verdict = build_moderator(settings).moderate_image(b"\xff\xd8", "image/jpeg")
    assert verdict.flagged
    assert verdict.categories == ("sexual",)
    assert dict(verdict.scores) == {"sexual": 0.9}
    _, _, _, body = listener.requests[-1]
    assert body["input"][0]["image_url"]["url"] == "data:image/jpeg;base64,/9g="
