"""What all Replicate routes share. Belongs here: problem-JSON, ids, timestamps, pages.

Does not: tables (replicate_tables.py), any resource.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from vixen_pipeline.sandbox.state import SandboxState

Json = dict[str, Any]
PAGE_SIZE = 100
_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TITLES = {
    401: "Unauthenticated",
    402: "Insufficient credit",
    404: "Not Found",
    409: "Conflict",
    422: "Input validation failed",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


class Problem(Exception):
    """A refusal, answered as problem-JSON."""

    def __init__(self, status: int, detail: str, title: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.title = title or _TITLES.get(status, "Error")

    def response(self) -> Response:
        body = {"title": self.title, "detail": self.detail, "status": self.status}
        return JSONResponse(body, self.status, media_type="application/problem+json")


class ProblemRoute(APIRoute):
    """A route whose `Problem`s become replies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                return problem.response()

        return handler


def fault_response(status: int, retry_after: float | None) -> Response:
    """How Replicate words an ordered error: throttling is prose, without headers or a title."""
    if status == 429:
        seconds = max(1, round(retry_after or 1))
        unit = "second" if seconds == 1 else "seconds"
        detail = f"Request was throttled. Expected available in {seconds} {unit}."
        return JSONResponse({"detail": detail}, 429)
    return Problem(status, "An internal error occurred. Please try again.").response()


def require_token(state: SandboxState) -> Callable[[Request], None]:
    """A dependency that refuses calls without the sandbox's token."""

    def check(request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        wanted = state.config.token.encode()
        if scheme.lower() not in ("bearer", "token") or not secrets.compare_digest(
            token.encode(), wanted
        ):
            raise Problem(401, "You did not pass a valid authentication token")

    return check


async def json_body(request: Request) -> Json:
    """The request body as an object; Problem 400 when it is none."""
    try:
        body = await request.json()
    except ValueError:
        raise Problem(400, "The request body is not valid JSON.", "Bad Request") from None
    if not isinstance(body, dict):
        raise Problem(400, "The request body must be a JSON object.", "Bad Request")
    return body  # pyright: ignore[reportUnknownVariableType]


def new_id() -> str:
    """26 characters, as Replicate's ids look."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(26))


def iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def page(
    url: str, rows: Sequence[Mapping[str, Any]], show: Callable[[Mapping[str, Any]], Json]
) -> Json:
    """One page of `PAGE_SIZE`, newest first; `rows` holds one more when there is a next page."""
    shown = rows[:PAGE_SIZE]
    more = len(rows) > PAGE_SIZE
    following = f"{url}?cursor={encode_cursor(shown[-1]['seq'])}" if more else None
    return {"previous": None, "next": following, "results": [show(row) for row in shown]}


def encode_cursor(seq: int) -> str:
    return base64.urlsafe_b64encode(f"before={seq}".encode()).decode()


def decode_cursor(cursor: str | None) -> int | None:
    """The sequence number before which the page starts; Problem 400 for a foreign cursor."""
    if cursor is None:
        return None
    try:
        return int(base64.urlsafe_b64decode(cursor.encode()).removeprefix(b"before="))
    except ValueError:
        raise Problem(400, "The cursor is not valid.", "Bad Request") from None
