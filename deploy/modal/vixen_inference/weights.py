"""Weights from a URL, checked against their SHA-256 and kept on disk. Belongs here: fetch, cache.

Does not: what is in them (adapters.py). Files are named by their digest, so a URL that was signed
anew finds what another one brought. The least recently used go first when the cache is full. A
file appears under its name only when it is whole and right; what a killed download left is swept.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from vixen_inference.wire import Refused

MOST_BYTES = 2 * 1024**3
CACHE_BYTES = 20 * 1024**3
CONNECT_S, READ_S = 10.0, 60.0
_CHUNK = 1 << 20
_PART = ".part"


class WeightsCache:
    """Files by SHA-256 in `folder`, at most `most_bytes` of them. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        *,
        most_bytes: int = CACHE_BYTES,
        largest: int = MOST_BYTES,
        read_s: float = READ_S,
    ) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._largest = largest
        self._read_s = read_s
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"*{_PART}"):
            left.unlink(missing_ok=True)

    @contextmanager
    def file(self, url: str, sha256: str) -> Generator[Path]:
        """The file with this digest, from disk or from `url`; not evicted while it is held.

        Raises Refused: weights_unavailable, weights_too_large, weights_mismatch.
        """
        path = self._folder / sha256
        with self._lock:
            self._held[sha256] = self._held.get(sha256, 0) + 1
        try:
            if not path.exists():
                self._fetch(url, sha256, path)
            os.utime(path)  # this is what "recently used" is read from
            self._evict()
            yield path
        finally:
            with self._lock:
                self._held[sha256] -= 1
                if not self._held[sha256]:
                    del self._held[sha256]

    def __contains__(self, sha256: str) -> bool:
        return (self._folder / sha256).exists()

    def _fetch(self, url: str, sha256: str, path: Path) -> None:
        handle, name = tempfile.mkstemp(suffix=_PART, dir=self._folder)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                digest = self._download(url, file.write)
            if digest != sha256:
                raise Refused("weights_mismatch", f"expected SHA-256 {sha256}, got {digest}")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def _download(self, url: str, write: object) -> str:
        """Stream the URL into `write`; its SHA-256 in hex. The URL is a credential: never named."""
        import httpx

        assert callable(write)
        digest, size = hashlib.sha256(), 0
        timeout = httpx.Timeout(self._read_s, connect=CONNECT_S)
        try:
            with httpx.stream("GET", url, timeout=timeout) as answer:
                if answer.status_code != 200:
                    message = f"the weights URL answered {answer.status_code}"
                    raise Refused("weights_unavailable", message)
                for chunk in answer.iter_bytes(_CHUNK):
                    size += len(chunk)
                    if size > self._largest:
                        raise Refused("weights_too_large", f"more than {self._largest} bytes")
                    digest.update(chunk)
                    write(chunk)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            message = f"the weights URL cannot be read: {type(error).__name__}"
            raise Refused("weights_unavailable", message) from error
        return digest.hexdigest()

    def _evict(self) -> None:
        with self._lock:
            files = [path for path in self._folder.iterdir() if path.suffix != _PART]
            sizes = {path: path.stat() for path in files}
            total = sum(stat.st_size for stat in sizes.values())
            for path in sorted(files, key=lambda one: sizes[one].st_mtime_ns):
                if total <= self._most_bytes:
                    return
                if path.name not in self._held:
                    total -= sizes[path].st_size
                    path.unlink(missing_ok=True)
