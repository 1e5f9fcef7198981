"""Plain HTTP for providers: pools, time-outs, downloads with a size cap.

Belongs here: what several providers share on top of httpx. Does not: paths, payloads, classifying
(failures.py). httpx is imported where used: importing this module does nothing.
"""

from __future__ import annotations

import base64
import binascii
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlsplit

from vixen_pipeline.errors import Permanent
from vixen_pipeline.providers.failures import GONE, StatusError, edge

if TYPE_CHECKING:
    import httpx
    import httpx2

V = TypeVar("V")

CONNECT_S = 5.0
WRITE_S = 30.0
KEEPALIVE_S = 3.0
"""Shorter than servers' own idle limit (5 s is common): a connection that the server closes just
as a request goes out would make the outcome of that request unknown."""
CHUNK = 1 << 16
_REDIRECTS = 5


def timeout(reply_s: float) -> httpx.Timeout:
    """`reply_s` bounds each wait for bytes; connecting and writing have their own limits."""
    import httpx

    return httpx.Timeout(reply_s, connect=CONNECT_S, write=WRITE_S, pool=reply_s)


def limits(concurrency: int) -> httpx.Limits:
    """A pool that holds one live connection per caller at a time."""
    import httpx

    return httpx.Limits(
        max_connections=concurrency + 2,
        max_keepalive_connections=concurrency + 2,
        keepalive_expiry=KEEPALIVE_S,
    )


def client2(base_url: str, concurrency: int) -> httpx2.Client:
    """The client under the SDKs that stand on httpx2. They set their own time-outs per request."""
    import httpx2

    return httpx2.Client(
        limits=httpx2.Limits(
            max_connections=concurrency + 2,
            max_keepalive_connections=concurrency + 2,
            keepalive_expiry=KEEPALIVE_S,
        ),
        follow_redirects=True,
        trust_env=not is_loopback(base_url),
    )


def is_loopback(url: str) -> bool:
    """This machine (the sandbox): never by way of the proxy that the environment names."""
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


def _proxy(url: str) -> str | None:
    """The environment's proxy for `url`. httpx reads it only where it makes its own transport."""
    parts = urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def edge_transport(base_url: str, concurrency: int) -> httpx.BaseTransport:
    """A transport that raises StatusError for 400 and above, headers and body included.

    It sits below the SDK's own retry machine, which therefore sees no retryable answer: ours is
    the only one. It also keeps the headers that the Replicate SDK drops from its errors.
    """
    import httpx

    class EdgeTransport(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            if response.status_code < 400:
                return response
            try:
                body = response.read()
            except httpx.TransportError:
                body = b""  # the status alone classifies it
            finally:
                response.close()
            raise StatusError(response.status_code, response.headers, body)

    return EdgeTransport(limits=limits(concurrency), proxy=_proxy(base_url))


class Once(Generic[V]):
    """A client that is made on first use, once, whichever thread comes first."""

    def __init__(self, make: Callable[[], V]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: V | None = None

    def __call__(self) -> V:
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._make()
        return self._made


class Downloader:
    """Fetches outputs. The key is sent to the provider's own origin only, never to where an
    output happens to be delivered from; redirects lose it too."""

    def __init__(
        self, provider: str, *, base_url: str, key: str, timeout_s: float, concurrency: int
    ) -> None:
        self._provider = provider
        self._origin = origin(base_url)
        self._key = key
        self._client = Once(lambda: _download_client(base_url, timeout_s, concurrency))

    def to_bytes(self, url: str, max_bytes: int) -> bytes:
        """The whole output. Permanent when it is gone, too large or not fetchable."""
        parts = bytearray()
        self._into(url, max_bytes, parts.extend)
        return bytes(parts)

    def to_file(self, url: str, target: Path, max_bytes: int) -> None:
        """Stream to `target` by way of a `.part` beside it: the name appears only when whole."""
        part = target.with_name(target.name + ".part")
        try:
            with part.open("wb") as out:
                self._into(url, max_bytes, out.write)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def _into(self, url: str, max_bytes: int, write: Callable[[bytes], object]) -> None:
        scheme = urlsplit(url).scheme
        if scheme == "data":
            data = _inline(self._provider, url)
            self._check_size(len(data), max_bytes)
            write(data)
            return
        if scheme not in ("http", "https"):
            raise Permanent(self._provider, f"gave an output that is no URL: {scheme}:", code=GONE)
        with edge(self._provider, repeatable=True):
            self._stream(url, max_bytes, write)

    def _stream(self, url: str, max_bytes: int, write: Callable[[bytes], object]) -> None:
        own = origin(url) == self._origin
        headers = {"Authorization": f"Bearer {self._key}"} if own else {}
        with self._client().stream("GET", url, headers=headers) as response:
            if response.status_code in (404, 410):
                raise Permanent(
                    self._provider,
                    f"the output is gone (HTTP {response.status_code}): it was not fetched "
                    "within the hour that the provider keeps it.",
                    code=GONE,
                )
            if response.status_code >= 400:
                raise StatusError(response.status_code, response.headers, response.read())
            self._check_size(int(response.headers.get("content-length", 0)), max_bytes)
            size = 0
            for chunk in response.iter_bytes(CHUNK):
                size += len(chunk)
                self._check_size(size, max_bytes)
                write(chunk)

    def _check_size(self, size: int, max_bytes: int) -> None:
        if size > max_bytes:
            raise Permanent(
                self._provider, f"the output exceeds {max_bytes:,} bytes.", code="too_large"
            )


def _download_client(base_url: str, timeout_s: float, concurrency: int) -> httpx.Client:
    import httpx

    return httpx.Client(
        timeout=timeout(timeout_s),
        limits=limits(concurrency),
        follow_redirects=True,
        max_redirects=_REDIRECTS,
        trust_env=not is_loopback(base_url),
    )


def origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _inline(provider: str, url: str) -> bytes:
    head, _, payload = url.partition(",")
    try:
        if head.endswith(";base64"):
            return base64.b64decode(payload, validate=True)
    except binascii.Error:
        pass
    raise Permanent(provider, "gave an output as a data URL that cannot be read.", code=GONE)
