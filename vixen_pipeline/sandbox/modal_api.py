"""An inference function as a Modal web endpoint with proxy auth: <sandbox>/modal.

Belongs here: credentials, calls, waiting, 303. Does not: weights and pictures (modal_work).

The wire. Every request carries `Modal-Key` and `Modal-Secret`; without them, or with wrong ones:
401 and one line of plain text.

    POST /generate   {weights_url, weights_sha256, prompts: [{id, prompt, negative_prompt?, seed,
                      width?, height?}], steps?, guidance?, lora_scale?, format?: jpg|png|webp}
      200  {images: {id: {image (base64), content_type, sha256, seed, width, height}},
            failed: {id: reason}, model, weights_sha256, gpu, seconds}
      303  Location: the same URL with `__modal_function_call_id=fc-…`. A request lives 150 s at
           most; following it (as GET) blocks again and never starts a second run.
      404  plain text: no such call, or its result is older than seven days
      422  {error: {code, message}} with code invalid_body, weights_unavailable, weights_mismatch,
           weights_too_large or weights_not_a_lora
      500  plain text: the function crashed
    GET /health      {status: "ok", model, gpu}

The weights are fetched once, when the call begins, so a presigned URL need not outlive that. How
long a call takes is the standing latency of the pseudo provider `modal_work` (default 0); the 150 s
can be shortened by that of `modal_redirect`. A call is a row, and its pictures follow from it: a
restarted sandbox still answers. Faults: `crash` (500 after the run), `missing` (one picture fails),
`corrupt` (half of one picture), `stranger`, `duplicate`, `blurry`, `nsfw`.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import ValidationError
from sqlalchemy import Column, DateTime, Table, Text, insert, select
from sqlalchemy.dialects.postgresql import JSONB

from vixen_pipeline.sandbox import modal_work
from vixen_pipeline.sandbox.modal_work import PROVIDER, ROUTE, Generate, WeightsError
from vixen_pipeline.sandbox.state import SandboxState, metadata

CALL_PARAMETER = "__modal_function_call_id"
REQUEST_SECONDS = 150.0
_KEPT = timedelta(days=7)
_TICK = 0.1

calls = Table(
    "modal_calls",
    metadata,
    Column("id", Text, primary_key=True),
    Column("body", JSONB, nullable=False),
    Column("kinds", JSONB, nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
)


def router(state: SandboxState) -> APIRouter:
    """The function's routes, below /modal."""
    routes = APIRouter(tags=["modal"])
    state.faults.shape(PROVIDER, _shape)
    endpoint = Endpoint(state)
    routes.add_api_route("/generate", endpoint.generate, methods=["GET", "POST"])
    routes.add_api_route("/health", endpoint.health, methods=["GET"])
    return routes


def _shape(status: int, retry_after: float | None) -> Response:
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    text = {429: "modal-http: rate limited"}.get(status, "modal-http: internal error")
    return PlainTextResponse(text, status, headers)


class Endpoint:
    """The handlers."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    async def health(self, request: Request) -> Response:
        """Whether the function can run."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        return JSONResponse({"status": "ok", "model": "sdxl-base-1.0", "gpu": "L40S"})

    async def generate(self, request: Request) -> Response:
        """Begin a call, or wait for one that was begun."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        call_id = request.query_params.get(CALL_PARAMETER)
        if call_id is None and request.method == "GET":
            return PlainTextResponse("modal-http: method not allowed", 405, {"Allow": "POST"})
        if call_id is None:
            begun = await self._begin(await request.body())
            if isinstance(begun, Response):
                return begun
            call_id = begun
        return await self._answer(request, call_id)

    def _refusal(self, request: Request) -> Response | None:
        key, secret = request.headers.get("modal-key"), request.headers.get("modal-secret")
        if not key or not secret:
            return PlainTextResponse(
                "modal-http: missing credentials for proxy authorization\n", 401
            )
        token = self._state.config.token.encode()
        if not (
            hmac.compare_digest(key.encode(), token) and hmac.compare_digest(secret.encode(), token)
        ):
            return PlainTextResponse(
                "modal-http: invalid credentials for proxy authorization\n", 401
            )
        return None

    async def _begin(self, content: bytes) -> str | Response:
        try:
            body = Generate.model_validate_json(content)
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}"
                for one in error.errors()
            ]
            return _failure("invalid_body", "; ".join(problems))
        try:
            await modal_work.check_weights(self._state, body)
        except WeightsError as error:
            return _failure(error.code, error.message)
        seconds = self._state.controls.latency.get("modal_work", 0.0)
        values = {
            "id": f"fc-{secrets.token_hex(13)}",
            "body": json.loads(body.model_dump_json()),
            "kinds": modal_work.take_kinds(self._state, len(body.prompts)),
            "ends_at": self._state.clock.now() + timedelta(seconds=seconds),
        }
        await self._state.run(lambda connection: connection.execute(insert(calls), values) and None)
        return str(values["id"])

    async def _answer(self, request: Request, call_id: str) -> Response:
        """Block until the call has ended or this request's time is over."""
        query = select(calls).where(calls.c.id == call_id)
        row: Any = await self._state.run(lambda c: c.execute(query).one_or_none())
        if row is None or self._state.clock.now() > row.ends_at + _KEPT:
            return PlainTextResponse("modal-http: function call not found or expired\n", 404)
        limit = self._state.controls.latency.get("modal_redirect", REQUEST_SECONDS)
        loop = asyncio.get_running_loop()
        patience = loop.time() + limit
        while (left := (row.ends_at - self._state.clock.now()).total_seconds()) > 0:
            if loop.time() >= patience:
                url = request.url.include_query_params(**{CALL_PARAMETER: call_id})
                return Response(status_code=303, headers={"location": str(url)})
            await asyncio.sleep(min(left, _TICK, max(0.001, patience - loop.time())))
        body = Generate.model_validate(row.body)
        content = await modal_work.generate(self._state, body, row.kinds)
        if self._state.faults.take(PROVIDER, "crash", ROUTE) is not None:
            return PlainTextResponse("modal-http: internal error: the function crashed\n", 500)
        return JSONResponse(content)


def _failure(code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, 422)
