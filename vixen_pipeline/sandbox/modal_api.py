"""An inference function as a Modal web endpoint with proxy auth: <sandbox>/modal.

Belongs here: credentials, calls, waiting, 303. Does not: bodies (modal_wire), rows (modal_runs),
weights and pictures (modal_work).

The wire, the same as that of deploy/modal. Every request carries `Modal-Key` and `Modal-Secret`;
without them, or with wrong ones: 401 and one line of plain text.

    POST /generate   {request_id, weights_url, weights_sha256, embeddings_url?,
                      embeddings_sha256?, trigger_word?, prompts: [{id, prompt, negative_prompt?,
                      seed, width?, height?}], steps?, guidance?, lora_scale?,
                      format?: jpg|png|webp}
      200  {request_id, images: {id: {image (base64), content_type, sha256, seed, width, height}},
            failed: {id: reason}, model, model_digest, weights_sha256, gpu, seconds}
      303  Location: the same URL with `__modal_function_call_id=fc-…`. A request lives 150 s at
           most; following it (as GET) blocks again and never starts a second run.
      404  plain text: no such call, or its result is older than seven days
      409  {error: {code: "request_differs", message}}: the id was used for something else
      422  {error: {code, message}} with code invalid_body, weights_unavailable, weights_mismatch,
           weights_too_large or weights_not_a_lora; the id stays free
      500  plain text: the function crashed
    GET /results/{request_id}
      200  as above; 202 {status: "running"}; 404 {error: {code: "unknown_request"}}
    GET /health      {status: "ok", model, model_digest, gpu}

A request id is worked on once: whoever sends it again (the URLs may differ) waits for the first
one's answer. The weights are fetched once, when the call begins, so a presigned URL need not
outlive that. A picture takes the standing latency of the pseudo provider `modal_work` (default 0),
a call that of all its pictures; the 150 s can be shortened by that of `modal_redirect`.

Faults of one picture: `stranger`, `duplicate`, `blurry`, `nsfw` (painted so); `black`, `gif`,
`tiny` (1x1), `bomb` (100 megapixels), `truncated` (half a file, its digest right); `corrupt`
(damaged on the way), `stranger_id` (one more, that nobody asked for), `doubled` (its id twice);
`missing` and `flagged` (by the safety checker) have a reason instead. Faults of one answer:
`crash` (500; the result is kept), `vanish` (500; the run is gone), `other_request` (another
call's answer).
"""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import ValidationError

from vixen_pipeline.sandbox import modal_runs, modal_work
from vixen_pipeline.sandbox.modal_wire import GPU, MODEL, MODEL_DIGEST, Generate
from vixen_pipeline.sandbox.modal_work import PROVIDER, ROUTE, Studio, WeightsError
from vixen_pipeline.sandbox.state import SandboxState

CALL_PARAMETER = "__modal_function_call_id"
REQUEST_SECONDS = 150.0
_TICK = 0.1
_HELD = 32  # answers kept at hand; an older one is drawn again


def router(state: SandboxState) -> APIRouter:
    """The function's routes, below /modal."""
    routes = APIRouter(tags=["modal"])
    state.faults.shape(PROVIDER, _shape)
    endpoint = Endpoint(state)
    state.counts.append(modal_runs.count)
    state.on_reset.append(endpoint.forget)
    routes.add_api_route("/generate", endpoint.generate, methods=["GET", "POST"])
    routes.add_api_route("/results/{request_id:path}", endpoint.result, methods=["GET"])
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
        self._studio = Studio(state)
        self._drawings: OrderedDict[str, asyncio.Task[str]] = OrderedDict()

    def forget(self, _: object) -> None:
        """After a reset nothing is known of former calls."""
        self._drawings.clear()
        self._studio.forget()

    async def health(self, request: Request) -> Response:
        """Whether the function can run."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        content = {"status": "ok", "model": MODEL, "model_digest": MODEL_DIGEST, "gpu": GPU}
        return JSONResponse(content)

    async def generate(self, request: Request) -> Response:
        """Begin a call, or wait for one that was begun."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        call_id = request.query_params.get(CALL_PARAMETER)
        if call_id is None and request.method == "GET":
            return PlainTextResponse("modal-http: method not allowed", 405, {"Allow": "POST"})
        if call_id is None:
            row = await self._begin(await request.body())
            return row if isinstance(row, Response) else await self._answer(request, row)
        row = await modal_runs.find(self._state, call_id)
        if row is None:
            return PlainTextResponse("modal-http: function call not found or expired\n", 404)
        return await self._answer(request, row)

    async def result(self, request: Request, request_id: str) -> Response:
        """What became of a request, without waiting."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        row = await modal_runs.find(self._state, request_id)
        if row is None:
            return _failure("unknown_request", "no such request, or its result has expired", 404)
        if row.ends_at > self._state.clock.now():
            return JSONResponse({"status": "running"}, 202)
        return Response(await self._drawing(row), media_type="application/json")

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

    async def _begin(self, content: bytes) -> Any:
        """The call's row, or the refusal."""
        try:
            body = Generate.model_validate_json(content)
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}"
                for one in error.errors()
            ]
            return _failure("invalid_body", "; ".join(problems))
        row = await modal_runs.find(self._state, body.request_id)
        if row is None:
            try:
                await modal_work.check_weights(self._state, body)
            except WeightsError as error:
                self._state.calls[f"{PROVIDER} {error.code}"] += 1
                return _failure(error.code, error.message)
            kinds = modal_work.take_kinds(self._state, len(body.prompts))
            row = await modal_runs.take(self._state, body, kinds, self._studio.turns(body))
        if row.digest != body.digest:
            return _failure("request_differs", "this request_id was used for another", 409)
        return row

    async def _answer(self, request: Request, row: Any) -> Response:
        """Block until the call has ended or this request's time is over."""
        drawing = self._drawing(row)
        limit = self._state.controls.latency.get("modal_redirect", REQUEST_SECONDS)
        loop = asyncio.get_running_loop()
        patience = loop.time() + limit
        while (left := (row.ends_at - self._state.clock.now()).total_seconds()) > 0:
            if loop.time() >= patience:
                url = request.url.include_query_params(**{CALL_PARAMETER: row.id})
                return Response(status_code=303, headers={"location": str(url)})
            await asyncio.sleep(min(left, _TICK, max(0.001, patience - loop.time())))
        content = await drawing
        for fault in ("crash", "vanish"):
            if self._state.faults.take(PROVIDER, fault, ROUTE) is not None:
                if fault == "vanish":
                    await modal_runs.lose(self._state, row.id)
                return PlainTextResponse("modal-http: internal error: the function crashed\n", 500)
        if self._state.faults.take(PROVIDER, "other_request", ROUTE) is not None:
            content = await self._of_another(row)
        return Response(content, media_type="application/json")

    def _drawing(self, row: Any) -> asyncio.Future[str]:
        """The answer, drawn while the call's time runs; shielded from who asked for it."""
        task = self._drawings.get(row.id)
        if task is None or (task.done() and task.exception() is not None):
            task = asyncio.create_task(self._draw(Generate.model_validate(row.body), row))
            self._drawings[row.id] = task
            for old in [key for key, one in self._drawings.items() if one.done()][:-_HELD]:
                del self._drawings[old]
        return asyncio.shield(task)

    async def _draw(self, body: Generate, row: Any) -> str:
        found = await self._studio.generate(body, row.kinds, row.turns)
        return modal_work.answer_json(body, found)

    async def _of_another(self, row: Any) -> str:
        """The same ids with pictures of another request: who goes by ids alone is deceived."""
        body = Generate.model_validate(row.body)
        for prompt in body.prompts:
            prompt.seed = (prompt.seed + 7919) % 2**31
        body.request_id = f"another-{row.id}"
        return await self._draw(body, row)


def _failure(code: str, message: str, status: int = 422) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)
