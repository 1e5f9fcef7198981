"""The routes, as a FastAPI app. Belongs here: HTTP in and out. Does not: what happens behind it.

    POST /generate              200 the answer, 409 request_differs, 422 a code of wire.Code,
                                500 (plain text) when the run crashed; the id is free again then
    GET  /results/{request_id}  200 the answer, 202 {status: "running"}, 404 unknown_request
    GET  /health                {status, model, model_digest, gpu}

A web request on Modal lives 150 s; then Modal itself answers 303 with the address at which the same
request goes on. Who may call is decided before us, by Modal's proxy auth.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import ValidationError

from vixen_inference.calls import Calls, Differs, RunFailed, Running
from vixen_inference.model import Model
from vixen_inference.wire import Generate, Refused

MOST_BODY = 4 * 1024 * 1024


def web_app(calls: Calls, model: Callable[[], Model]) -> FastAPI:
    """The app over `calls`; `model` says what is deployed, without waking a GPU."""
    app = FastAPI(title="Vixen inference", docs_url=None, redoc_url=None, openapi_url=None)
    routes = Routes(calls, model)
    app.add_api_route("/generate", routes.generate, methods=["POST"], response_model=None)
    app.add_api_route(
        "/results/{request_id:path}", routes.results, methods=["GET"], response_model=None
    )
    app.add_api_route("/health", routes.health, methods=["GET"], response_model=None)
    return app


class Routes:
    """The handlers."""

    def __init__(self, calls: Calls, model: Callable[[], Model]) -> None:
        self._calls = calls
        self._model = model

    async def generate(self, request: Request) -> Response:
        """The answer of a request, worked on once."""
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > MOST_BODY:
                return _failure(422, "invalid_body", f"the body has more than {MOST_BODY} bytes")
        try:
            body = Generate.model_validate_json(bytes(content))
        except ValidationError as error:
            return _failure(422, "invalid_body", _problems(error))
        try:
            return JSONResponse(await self._calls.generate(body))
        except Differs:
            return _failure(409, "request_differs", "the request id was used for something else")
        except Refused as refusal:
            return _failure(422, refusal.code, refusal.message)
        except RunFailed as error:
            return PlainTextResponse(f"the run ended without an answer: {error}\n", 500)

    async def results(self, request_id: str) -> Response:
        """What became of a request, without waiting."""
        found = await self._calls.find(request_id)
        if found is None:
            return _failure(404, "unknown_request", "no request with this id was taken")
        if isinstance(found, Running):
            return JSONResponse({"status": "running"}, 202)
        return JSONResponse(found)

    async def health(self) -> Response:
        """What is deployed."""
        what = self._model()
        content = {"status": "ok", "model": what.name, "model_digest": what.digest, "gpu": what.gpu}
        return JSONResponse(content)


def _failure(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


def _problems(error: ValidationError) -> str:
    lines = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()]
    return "; ".join(lines)[:2000]
