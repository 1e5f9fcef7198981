"""A small HTTP/1.1 load generator over keep-alive connections, loopback only, bounded in count.

Belongs here: sending prepared requests and taking times. It parses no more of a reply than the
status and the length, so that the client's own work does not hide the server's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What happened: wall seconds, latencies in seconds (one per request), statuses seen."""

    seconds: float
    latencies: tuple[float, ...]
    statuses: dict[int, int]

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, fraction: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))]


def request_bytes(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One POST, ready to be written to a connection."""
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> int:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    if length:
        await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


async def _run(
    port: int, requests: Sequence[bytes], connections: int, due: Callable[[int], float]
) -> Load:
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    queue = iter(enumerate(requests))
    start = time.perf_counter()

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for index, request in queue:
            # Open loop: latency counts from when the request was due, not from when a worker
            # was free, or a stalled server would look fast.
            planned = start + due(index)
            delay = planned - time.perf_counter()
            if delay > 0:
                await asyncio.sleep(delay)
            begun = planned if due(index) else time.perf_counter()
            status = await _exchange(reader, writer, request)
            latencies.append(time.perf_counter() - begun)
            statuses[status] = statuses.get(status, 0) + 1
        writer.close()

    await asyncio.gather(*(worker() for _ in range(connections)))
    return Load(time.perf_counter() - start, tuple(latencies), statuses)


def closed_loop(port: int, requests: Sequence[bytes], connections: int) -> Load:
    """As fast as `connections` clients get answers."""
    return asyncio.run(_run(port, requests, connections, lambda _: 0.0))


def open_loop(port: int, requests: Sequence[bytes], connections: int, rate: float) -> Load:
    """`rate` requests per second, whatever the server does."""
    return asyncio.run(_run(port, requests, connections, lambda index: (index + 1) / rate))
