"""The real gateway plus one route that only inserts a row: the limit landing is held against."""

from __future__ import annotations

import itertools
import os
import socket

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vixen_pipeline import logs
from vixen_pipeline.gateway.__main__ import gateway_from
from vixen_pipeline.gateway.landing import Landing
from vixen_pipeline.inbox import LAND_SQL
from vixen_pipeline.settings import load_settings


class InsertOnly:
    """Reads the body and inserts it: no signature, no limits, no duplicate handling of its own."""

    def __init__(self, landing: Landing) -> None:
        self._landing = landing
        self._numbers = itertools.count()

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        row = {"provider": "baseline", "event_id": f"b{next(self._numbers)}", "body": body}
        async with self._landing.pool.connection() as connection:
            await connection.execute(LAND_SQL, row, prepare=True)
        return JSONResponse({"landed": True})


def main() -> None:
    settings = load_settings()
    logs.configure(settings.log_format)
    gateway = gateway_from(settings)
    insert_only = InsertOnly(gateway.landing)
    gateway.api.router.add_route("/baseline", insert_only.__call__, methods=["POST"])
    # Made from the descriptor by its real protocol: asyncio sets TCP_NODELAY only on what it knows
    # to be TCP, and without it every reply waits 40 ms for an acknowledgement.
    sock = socket.socket(fileno=int(os.environ["BENCH_SOCKET_FD"]))
    config = uvicorn.Config(gateway, log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main()
