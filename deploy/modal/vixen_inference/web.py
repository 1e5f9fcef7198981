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
from typing import TYPE_CHECKING

from vixen_inference.calls import Calls, Differs, RunFailed, Running
from vixen_inference.model import Model
from vixen_inference.wire import Generate, Refused

if TYPE_CHECKING:
    from fastapi import FastAPI

MOST_BODY = 4 * 1024 * 1024


def web_app(calls: Calls, model: Callable[[], Model]) -> FastAPI:
    """The app over `calls`; `model` says what is deployed, without waking a GPU."""
    from fastapi import FastAPI, Request, Response
    from fastapi.responses import JSONResponse, PlainTextResponse
    from pydantic import ValidationError

    app = FastAPI(title="Vixen inference", docs_url=None, redoc_url=None, openapi_url=None)

    def failure(status: int, code: str, message: str) -> Response:
        return JSONResponse({"error": {"code": code, "message": message}}, status)

    async def generate(request: Request) -> Response:
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > MOST_BODY:
                return failure(422, "invalid_body", f"the body has more than {MOST_BODY} bytes")
        try:
            body = Generate.model_validate_json(bytes(content))
        except ValidationError as error:
            return failure(422, "invalid_body", _problems(error))
        try:
            return JSONResponse(await calls.generate(body))
        except Differs:
            return failure(409, "request_differs", "the request id was used for something else")
        except Refused as refusal:
            return failure(422, refusal.code, refusal.message)
        except RunFailed as error:
            return PlainTextResponse(f"the run ended without an answer: {error}\n", 500)

    async def results(request_id: str) -> Response:
        found = await calls.find(request_id)
        if found is None:
            return failure(404, "unknown_request", "no request with this id was taken")
        if isinstance(found, Running):
            return JSONResponse({"status": "running"}, 202)
        return JSONResponse(found)

    async def health() -> Response:
        what = model()
        content = {"status": "ok", "model": what.name, "model_digest": what.digest, "gpu": what.gpu}
        return JSONResponse(content)

    def _problems(error: ValidationError) -> str:
        lines = [
            f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()
        ]
        return "; ".join(lines)[:2000]

    # Annotations are strings in this module, and these names are local: routes are added by hand.
    for handler in (generate, results, health):
        handler.__annotations__ = {
            "request": Request, "request_id": str, "return": Response,
        }  # fmt: skip
    app.add_api_route("/generate", generate, methods=["POST"], response_model=None)
    app.add_api_route("/results/{request_id:path}", results, methods=["GET"], response_model=None)
    app.add_api_route("/health", health, methods=["GET"], response_model=None)
    return app
