"""OpenAI's outer forms: credentials, errors, headers, models, checks of request bodies.

Belongs here: what every route shares. Does not: answers (openai_text, openai_moderation, …).
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, cast

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

_TYPES = {401: "invalid_request_error", 429: "rate_limit_error", 500: "server_error"}
_RATE_LIMITED = "Rate limit reached for requests. Limit: 500 / min. Please try again later."
_NO_QUOTA = "You exceeded your current quota, please check your plan and billing details."

# id -> (created, announced shutdown date)
MODELS: dict[str, tuple[int, str | None]] = {
    "gpt-6-luna": (1_790_000_000, None),
    "gpt-6-sol": (1_790_000_000, None),
    "gpt-6.1-sol": (1_792_000_000, None),
    "gpt-6.2-sol": (1_794_000_000, None),
    "gpt-6-astra": (1_790_000_000, None),
    "gpt-6.2-astra": (1_794_000_000, None),
    "gpt-6.1-terra": (1_792_000_000, None),
    "gpt-5.6-sol": (1_780_000_000, None),
    "gpt-5.6-terra": (1_780_000_000, None),
    "gpt-5.6-luna": (1_780_000_000, None),
    "gpt-5.5": (1_776_900_000, None),
    "gpt-5.4": (1_772_000_000, None),
    "gpt-5.4-mini": (1_773_700_000, None),
    "gpt-5.1": (1_763_000_000, "2027-04-01"),
    "gpt-5": (1_754_500_000, "2026-12-11"),
    "gpt-5-mini": (1_754_500_000, "2026-12-11"),
    "gpt-4.1": (1_744_600_000, "2027-01-14"),
    "gpt-4.1-mini": (1_744_600_000, "2027-01-14"),
    "gpt-4o": (1_715_300_000, "2027-01-14"),
    "gpt-4o-mini": (1_721_300_000, "2027-01-14"),
    "omni-moderation-latest": (1_731_600_000, None),
    "omni-moderation-2024-09-26": (1_732_700_000, None),
    "text-embedding-3-small": (1_705_900_000, None),
    "text-embedding-3-large": (1_705_900_000, None),
}


class ApiError(Exception):
    """An answer in OpenAI's error form, all four keys of it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str | None = None,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind or _TYPES.get(status, "invalid_request_error")
        self.param = param
        self.code = code
        self.retry_after = retry_after

    def response(self) -> Response:
        error = {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }
        headers = {"x-request-id": new_id("req_")}
        if self.retry_after is not None:
            headers["retry-after"] = f"{self.retry_after:g}"
        return JSONResponse({"error": error}, self.status, headers)


def shape(status: int, retry_after: float | None) -> Response:
    """How an ordered reply fault is worded."""
    if status == 429:
        return ApiError(
            429,
            _RATE_LIMITED,
            kind="requests",
            code="rate_limit_exceeded",
            retry_after=1 if retry_after is None else retry_after,
        ).response()
    message = "The server had an error while processing your request. Sorry about that!"
    return ApiError(status, message, retry_after=retry_after).response()


def no_quota() -> ApiError:
    """The 429 that no retry will cure."""
    return ApiError(429, _NO_QUOTA, kind="insufficient_quota", code="insufficient_quota")


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


def check_caller(request: Request, token: str) -> None:
    """Check the bearer key. Raises ApiError 401."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise ApiError(
            401, "You didn't provide an API key. Send it in an Authorization header as Bearer."
        )
    if not hmac.compare_digest(key.encode(), token.encode()):
        shown = f"{key[:4]}****{key[-4:]}" if len(key) > 12 else "****"
        raise ApiError(401, f"Incorrect API key provided: {shown}.", code="invalid_api_key")


async def read_object(request: Request, known: Iterable[str]) -> dict[str, Any]:
    """The JSON object of a request; unknown parameters are refused. Raises ApiError 400."""
    try:
        data: object = json.loads(await request.body())
    except ValueError as error:
        raise ApiError(400, "We could not parse the JSON body of your request.") from error
    if not isinstance(data, dict):
        raise ApiError(400, "The JSON body of your request must be an object.")
    fields = cast("dict[str, Any]", data)
    allowed = set(known)
    for name in fields:
        if name not in allowed:
            message = f"Unknown parameter: '{name}'."
            raise ApiError(400, message, param=name, code="unknown_parameter")
    return fields


def check_model(body: Mapping[str, Any], prefix: str) -> str:
    """The model asked for; it must exist and be of the family. Raises ApiError 400 or 404."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise ApiError(400, "you must provide a model parameter", param="model")
    if model not in MODELS or not model.startswith(prefix):
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise ApiError(404, message, code="model_not_found")
    return model


def new_id(prefix: str) -> str:
    """`resp_` and hex, as the provider's ids look."""
    return prefix + secrets.token_hex(16)


def success_headers(used_tokens: int = 0) -> dict[str, str]:
    """Request id, processing time and rate-limit headers (sandbox limits never bind)."""
    return {
        "x-request-id": new_id("req_"),
        "openai-organization": "sandbox",
        "openai-processing-ms": "1",
        "openai-version": "2020-10-01",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-limit-tokens": "10000000",
        "x-ratelimit-remaining-tokens": str(10_000_000 - used_tokens),
        "x-ratelimit-reset-tokens": "1s",
    }
