"""`POST /webhooks/{provider}`: read within limits, verify, insert, answer. Nothing else.

Belongs here: the path every delivery takes. Does not: how a provider signs (sources.py), the
database (landing.py), what a delivery means (it is not even parsed).
"""

from __future__ import annotations

import asyncio

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from vixen_pipeline.gateway.landing import DatabaseAwayError, Landing
from vixen_pipeline.gateway.metrics import Metrics
from vixen_pipeline.gateway.sources import Refused, WebhookSource

log: structlog.stdlib.BoundLogger = structlog.get_logger("vixen.gateway")

MAX_BODY_BYTES = 1_000_000
READ_TIMEOUT_S = 10.0

_LANDED = b'{"landed":true}'
_DUPLICATE = b'{"landed":true,"duplicate":true}'


class TooLargeError(Exception):
    """The body is over MAX_BODY_BYTES, by its header or by counting."""


class WebhookEndpoint:
    """The endpoint of one source."""

    def __init__(self, source: WebhookSource, landing: Landing, metrics: Metrics) -> None:
        self._source = source
        self._landing = landing
        self._outcomes = {
            name: metrics.webhooks.labels(source.provider, name)
            for name in ("landed", "duplicate", "refused", "too_large", "unavailable", "off")
        }

    async def __call__(self, request: Request) -> Response:
        if self._source.verifier is None:
            return self._answer("off", 404, f"{self._source.setting} is not set: endpoint off")
        try:
            body = await read_body(request)
            event_id = self._source.verifier.verify(request.headers, body)
            new = await self._landing.land(self._source.provider, event_id, body)
        except TooLargeError:
            return self._answer("too_large", 413, f"the body exceeds {MAX_BODY_BYTES} bytes")
        except TimeoutError:
            return self._answer("refused", 408, "the body did not arrive in time")
        except ClientDisconnect:
            return self._answer("refused", 400, "the sender went away")
        except Refused as refusal:
            return self._answer("refused", refusal.status, refusal.reason)
        except DatabaseAwayError as error:
            log.error("webhook.not_stored", provider=self._source.provider, error=str(error))
            return self._answer("unavailable", 503, "not stored; deliver again")
        self._outcomes["landed" if new else "duplicate"].inc()
        log.info(
            "webhook.landed",
            provider=self._source.provider,
            event_id=event_id,
            bytes=len(body),
            new=new,
        )
        return Response(_LANDED if new else _DUPLICATE, media_type="application/json")

    def _answer(self, outcome: str, status: int, reason: str) -> Response:
        self._outcomes[outcome].inc()
        if outcome in ("refused", "too_large"):
            log.warning(
                "webhook.refused", provider=self._source.provider, status=status, reason=reason
            )
        headers = {"Retry-After": "5"} if status == 503 else None
        return JSONResponse({"error": reason}, status, headers=headers)


async def read_body(request: Request) -> bytes:
    """The raw body. Raises TooLargeError as soon as it is over the limit, chunked or not."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise TooLargeError
    parts: list[bytes] = []
    size = 0
    async with asyncio.timeout(READ_TIMEOUT_S):
        async for part in request.stream():
            size += len(part)
            if size > MAX_BODY_BYTES:
                raise TooLargeError
            parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
