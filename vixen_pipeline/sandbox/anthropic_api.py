"""Anthropic: POST /v1/messages, count_tokens, batches; GET /v1/models. Unmodified SDK 2.x works.

Belongs here: routes. Does not: forms (anthropic_wire), answers (anthropic_messages). Content faults
beside those of text_answers: `overloaded` (529), `spend_limit` (429 without retry-after, error code
enforced_spend_limit_reached); reply faults (rate_limit, error, …) are worded by `anthropic_wire`.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from vixen_pipeline.sandbox import anthropic_batches, anthropic_messages, anthropic_stream
from vixen_pipeline.sandbox.anthropic_cache import boundaries
from vixen_pipeline.sandbox.anthropic_models import BY_ID, MODELS
from vixen_pipeline.sandbox.anthropic_wire import (
    ApiError,
    Route,
    check_caller,
    read_json,
    read_messages,
    shape,
    success_headers,
)
from vixen_pipeline.sandbox.state import SandboxState

PROVIDER = "anthropic"
_MESSAGES = "POST /v1/messages"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def router(state: SandboxState) -> APIRouter:
    """All Anthropic routes, below /anthropic."""
    routes = APIRouter(tags=["anthropic"], route_class=Route)
    state.faults.shape(PROVIDER, shape)
    anthropic_batches.add_routes(routes, state)
    _message_routes(routes, state)
    _model_routes(routes, state)

    @routes.api_route("/{rest:path}", methods=_METHODS)
    async def unknown(rest: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        raise ApiError(404, f"Not found: /{rest}")

    return routes


def _message_routes(routes: APIRouter, state: SandboxState) -> None:
    @routes.post("/v1/messages")
    async def messages(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        version = check_caller(request, state.config.token)
        _strike(state)
        body = read_messages(await read_json(request), version)
        anthropic_messages.check(body)
        message = await anthropic_messages.reply(state, body, _MESSAGES)
        if body.stream:
            return StreamingResponse(
                anthropic_stream.events(message),
                media_type="text/event-stream",
                headers=success_headers(),
            )
        return JSONResponse(message, headers=success_headers())

    @routes.post("/v1/messages/count_tokens")
    async def count(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        version = check_caller(request, state.config.token)
        body = read_messages(await read_json(request), version, counting=True)
        anthropic_messages.check(body)
        total = boundaries(body)[-1].tokens
        return JSONResponse({"input_tokens": total}, headers=success_headers())


def _strike(state: SandboxState) -> None:
    if state.faults.take(PROVIDER, "overloaded", _MESSAGES) is not None:
        raise ApiError(529, "Overloaded")
    if state.faults.take(PROVIDER, "spend_limit", _MESSAGES) is not None:
        raise ApiError(
            429,
            "You have reached your specified API usage limits.",
            error_code="enforced_spend_limit_reached",
        )


def _model_routes(routes: APIRouter, state: SandboxState) -> None:
    @routes.get("/v1/models")
    async def models(  # pyright: ignore[reportUnusedFunction]
        request: Request, limit: int = 20, after_id: str | None = None, before_id: str | None = None
    ) -> Response:
        check_caller(request, state.config.token)
        listed = anthropic_batches.page([m.wire() for m in MODELS], limit, after_id, before_id)
        return JSONResponse(listed, headers=success_headers())

    @routes.get("/v1/models/{model_id}")
    async def model(request: Request, model_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_caller(request, state.config.token)
        if model_id not in BY_ID:
            raise ApiError(404, f"model: {model_id}")
        return JSONResponse(BY_ID[model_id].wire(), headers=success_headers())
