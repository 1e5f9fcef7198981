"""Anthropic's outer forms: credentials, version, errors, headers, request bodies.

Belongs here: what every route shares. Does not: what a model says (anthropic_messages).
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError

VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")
NO_SAMPLING_SINCE = "2026-10-21"
MAX_BODY = 32 * 1024 * 1024
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_MESSAGES = {
    429: "This request would exceed your organization's rate limit. Please try again later.",
    529: "Overloaded",
}


class ApiError(Exception):
    """An answer in Anthropic's error form."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        retry_after: float | None = None,
        error_code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after
        self.error_code = error_code

    def response(self) -> Response:
        request_id = new_id("req_")
        error: dict[str, object] = {
            "type": _TYPES.get(self.status, "api_error"),
            "message": self.message,
        }
        if self.error_code:
            error["details"] = {"error_code": self.error_code}
        headers = {"request-id": request_id}
        if self.retry_after is not None:
            headers["retry-after"] = f"{self.retry_after:g}"
        body = {"type": "error", "error": error, "request_id": request_id}
        return JSONResponse(body, self.status, headers)


def shape(status: int, retry_after: float | None) -> Response:
    """How an ordered reply fault is worded."""
    message = _MESSAGES.get(status, "Internal server error")
    if status == 429 and retry_after is None:
        retry_after = 1
    return ApiError(status, message, retry_after=retry_after).response()


class Route(APIRoute):
    """Turns ApiError into its answer."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except ApiError as error:
                return error.response()

        return guarded


class MessagesBody(BaseModel):
    """POST /v1/messages and count_tokens. Unknown fields are refused, as the service does."""

    model_config = ConfigDict(extra="forbid")

    model: str
    max_tokens: int = Field(ge=0)
    messages: list[dict[str, Any]] = Field(min_length=1)
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    tool_choice: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    cache_control: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    stop_sequences: list[str] = Field(default_factory=list[str])
    stream: bool = False
    service_tier: Literal["auto", "standard_only"] | None = None
    speed: Literal["standard", "fast"] | None = None
    inference_geo: str | None = None
    container: Any = None
    diagnostics: Any = None
    user_profile_id: str | None = None
    workspace_id: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None


def check_caller(request: Request, token: str) -> str:
    """Check credentials and version; returns the version. Raises ApiError."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    key = bearer if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not key:
        raise ApiError(401, "x-api-key header is required")
    if not hmac.compare_digest(key.encode(), token.encode()):
        raise ApiError(401, "invalid x-api-key")
    version = request.headers.get("anthropic-version")
    if version is None:
        raise ApiError(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise ApiError(400, f'anthropic-version: "{version}" is not a valid version')
    return version


async def read_json(request: Request) -> Any:
    """The request's JSON body. Raises ApiError 400 or 413."""
    body = await request.body()
    if len(body) > MAX_BODY:
        raise ApiError(413, "Request exceeds the maximum size")
    try:
        return json.loads(body)
    except ValueError as error:
        raise ApiError(400, "The request body is not valid JSON") from error


def read_messages(data: Any, version: str, *, counting: bool = False) -> MessagesBody:
    """Validate a messages body. Raises ApiError 400 that names the first wrong field."""
    if counting and isinstance(data, dict):
        data = {"max_tokens": 1, **cast("dict[str, Any]", data)}
    try:
        body = MessagesBody.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise ApiError(400, f"{place}: {first['msg']}") from error
    if version >= NO_SAMPLING_SINCE:
        for name in ("temperature", "top_p", "top_k"):
            if name in body.model_fields_set:
                raise ApiError(400, f"{name}: Extra inputs are not permitted")
    return body


def new_id(prefix: str) -> str:
    """`msg_` and 24 characters, as the provider's ids look."""
    return prefix + secrets.token_hex(12)


def success_headers() -> dict[str, str]:
    """request-id and the rate-limit headers of a good answer (sandbox limits never bind)."""
    reset = (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {"request-id": new_id("req_")}
    limits = {"requests": 4000, "input-tokens": 4_000_000, "output-tokens": 800_000}
    for name, limit in limits.items():
        headers[f"anthropic-ratelimit-{name}-limit"] = str(limit)
        headers[f"anthropic-ratelimit-{name}-remaining"] = str(limit - 1)
        headers[f"anthropic-ratelimit-{name}-reset"] = reset
    return headers
