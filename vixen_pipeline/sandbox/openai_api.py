"""OpenAI: responses, chat completions, moderations, embeddings, models. Unmodified SDK 3.x works.

Belongs here: routes. Does not: forms (openai_wire), answers (openai_text and its neighbours).
Content faults beside those of text_answers: `insufficient_quota` (the 429 that no retry cures),
`flagged` (moderation); reply faults (rate_limit, error, …) are worded by `openai_wire`.
"""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from vixen_pipeline.sandbox import openai_moderation, openai_text
from vixen_pipeline.sandbox.openai_embeddings import embeddings_object
from vixen_pipeline.sandbox.openai_wire import (
    MODELS,
    ApiError,
    Route,
    check_caller,
    check_model,
    new_id,
    no_quota,
    read_object,
    shape,
    success_headers,
)
from vixen_pipeline.sandbox.state import SandboxState

PROVIDER = "openai"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_BOTH = (
    "model metadata moderation parallel_tool_calls prompt_cache_key prompt_cache_options"
    " prompt_cache_retention safety_identifier service_tier store stream stream_options temperature"
    " tool_choice tools top_logprobs top_p user"
)
_RESPONSES = frozenset(
    f"{_BOTH} access_programs background background_options context_management conversation image"
    " include input instructions max_output_tokens max_tool_calls previous_response_id prompt"
    " reasoning text truncation".split()
)
_CHAT = frozenset(
    f"{_BOTH} messages audio frequency_penalty function_call functions logit_bias logprobs"
    " max_completion_tokens max_tokens modalities n prediction presence_penalty reasoning_effort"
    " response_format seed stop verbosity web_search_options".split()
)


def router(state: SandboxState) -> APIRouter:
    """All OpenAI routes, below /openai (the client's base URL is /openai/v1)."""
    routes = APIRouter(tags=["openai"], route_class=Route)
    state.faults.shape(PROVIDER, shape)
    _text_routes(routes, state)
    _vector_routes(routes, state)
    _model_routes(routes, state)

    @routes.api_route("/{rest:path}", methods=_METHODS)
    async def unknown(request: Request, rest: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        raise ApiError(404, f"Invalid URL ({request.method} /{rest})")

    return routes


def _admit(request: Request, state: SandboxState, route: str) -> None:
    check_caller(request, state.config.token)
    if state.faults.take(PROVIDER, "insufficient_quota", route) is not None:
        raise no_quota()


def _text_routes(routes: APIRouter, state: SandboxState) -> None:
    @routes.post("/v1/responses")
    async def responses(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        _admit(request, state, "POST /v1/responses")
        body = await read_object(request, _RESPONSES)
        model = check_model(body, "gpt-")
        reasoning: dict[str, Any] = body.get("reasoning") or {}
        text: dict[str, Any] = body.get("text") or {}
        openai_text.check_sampling(body, reasoning.get("effort"))
        form = openai_text.read_format(text.get("format"), "text.format")
        prompt = openai_text.texts_of(body.get("input"), body.get("instructions"))
        if not prompt:
            raise ApiError(400, "Missing required parameter: 'input'.", param="input")
        said, spent = await openai_text.speak(
            state, "POST /v1/responses", prompt, form, model, body.get("max_output_tokens")
        )
        content = openai_text.response_object(body, said, spent, state.clock.now())
        return JSONResponse(content, headers=success_headers(spent.input + spent.output))

    @routes.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        _admit(request, state, "POST /v1/chat/completions")
        body = await read_object(request, _CHAT)
        model = check_model(body, "gpt-")
        openai_text.check_sampling(body, body.get("reasoning_effort"))
        wanted = cast("dict[str, Any]", body.get("response_format") or {})
        inner: dict[str, Any] = wanted.get("json_schema") or {}
        form = openai_text.read_format({**wanted, **inner} if wanted else None, "response_format")
        prompt = openai_text.texts_of(body.get("messages"))
        if not prompt:
            raise ApiError(400, "Missing required parameter: 'messages'.", param="messages")
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        said, spent = await openai_text.speak(
            state, "POST /v1/chat/completions", prompt, form, model, limit
        )
        content = openai_text.completion_object(body, said, spent, state.clock.now())
        return JSONResponse(content, headers=success_headers(spent.input + spent.output))


def _vector_routes(routes: APIRouter, state: SandboxState) -> None:
    @routes.post("/v1/moderations")
    async def moderations(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        _admit(request, state, openai_moderation.ROUTE)
        body = await read_object(request, ("input", "model"))
        model = body.get("model") or openai_moderation.MODELS[0]
        if model not in openai_moderation.MODELS:
            raise ApiError(400, f"Invalid value for 'model': {model}", param="model")
        results = await openai_moderation.moderate(state, body.get("input"))
        content = {"id": new_id("modr-"), "model": model, "results": results}
        return JSONResponse(content, headers=success_headers())

    @routes.post("/v1/embeddings")
    async def embeddings(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        _admit(request, state, "POST /v1/embeddings")
        known = ("input", "model", "dimensions", "encoding_format", "user")
        body = await read_object(request, known)
        model = check_model(body, "text-embedding-")
        return JSONResponse(embeddings_object(body, model), headers=success_headers())


def _model_routes(routes: APIRouter, state: SandboxState) -> None:
    def wire(model: str) -> dict[str, object]:
        created, shutdown = MODELS[model]
        return {
            "id": model,
            "object": "model",
            "created": created,
            "owned_by": "system",
            "shutdown_date": shutdown,
        }

    @routes.get("/v1/models")
    async def models(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_caller(request, state.config.token)
        return JSONResponse({"object": "list", "data": [wire(model) for model in MODELS]})

    @routes.get("/v1/models/{model}")
    async def model(request: Request, model: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_caller(request, state.config.token)
        return JSONResponse(wire(check_model({"model": model}, "")))
