"""A request's body on its way to a file: unframed, hashed, compared with what was promised.

Belongs here: `aws-chunked` framing, digests, checksums. Does not: where files lie (objects_files).
Checksums crc32, sha1 and sha256 are verified; crc32c and crc64nvme are taken on trust.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import Request

from vixen_pipeline.sandbox.objects_wire import S3Error

_STREAMED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_CHECKSUM = re.compile(r"^x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256)$")
_SHA256 = re.compile(r"^[0-9a-f]{64}$")


class Hash(Protocol):
    """What hashlib's objects offer."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...

    def hexdigest(self) -> str: ...


@dataclass(slots=True)
class Digests:
    """Running digests of one body."""

    size: int = 0
    md5: Hash = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    sha1: Hash = field(default_factory=lambda: hashlib.sha1(usedforsecurity=False))
    sha256: Hash = field(default_factory=hashlib.sha256)
    crc32: int = 0

    def update(self, data: bytes) -> None:
        self.size += len(data)
        self.md5.update(data)
        self.sha1.update(data)
        self.sha256.update(data)
        self.crc32 = zlib.crc32(data, self.crc32)

    def checksum(self, algorithm: str) -> bytes | None:
        """The raw checksum; None for algorithms that are taken on trust."""
        if algorithm == "crc32":
            return self.crc32.to_bytes(4)
        if algorithm in ("sha1", "sha256"):
            return (self.sha1 if algorithm == "sha1" else self.sha256).digest()
        return None


@dataclass(slots=True)
class Body:
    """One upload: iterate over `pieces`, then call `verify`."""

    request: Request
    payload: str
    digests: Digests = field(default_factory=Digests)
    _trailers: dict[str, str] = field(default_factory=dict[str, str])

    async def pieces(self) -> AsyncIterator[bytes]:
        """The content, unframed. Raises S3Error for a frame that cannot be read."""
        framed = self.payload == _STREAMED
        if not framed and self.payload.startswith("STREAMING-"):
            raise S3Error(501, "NotImplemented", f"{self.payload} is not implemented.")
        frames = Frames()
        async for data in self.request.stream():
            for piece in frames.feed(data) if framed else (data,):
                if piece:
                    self.digests.update(piece)
                    yield piece
        if framed:
            self._trailers = frames.end()

    def verify(self) -> Mapping[str, str]:
        """Compare with every promise made; returns the checksums as headers to keep.

        Raises S3Error 400: XAmzContentSHA256Mismatch, BadDigest, IncompleteBody.
        """
        if _SHA256.match(self.payload) and self.payload != self.digests.sha256.hexdigest():
            raise S3Error(
                400,
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
        headers = {**dict(self.request.headers), **self._trailers}
        md5 = headers.get("content-md5")
        if md5 is not None and md5 != base64.b64encode(self.digests.md5.digest()).decode():
            raise S3Error(400, "BadDigest", "The Content-MD5 you specified did not match.")
        length = headers.get("x-amz-decoded-content-length")
        if length is not None and length != str(self.digests.size):
            raise S3Error(400, "IncompleteBody", "The body is not as long as it was said to be.")
        kept: dict[str, str] = {}
        for name, value in headers.items():
            found = _CHECKSUM.match(name)
            if not found:
                continue
            expected = self.digests.checksum(found.group(1))
            if expected is not None and value != base64.b64encode(expected).decode():
                raise S3Error(
                    400, "BadDigest", f"The {found.group(1)} you specified did not match."
                )
            kept[name] = value
        return kept


class Frames:
    """Unframes `aws-chunked` without chunk signatures; feed it data in any cut."""

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0
        self._ended = False

    def feed(self, data: bytes) -> list[bytes]:
        """The content bytes that are known so far and not yet returned."""
        self._buffer += data
        pieces: list[bytes] = []
        while not self._ended:
            if self._left > 2:
                take = min(self._left - 2, len(self._buffer))
                pieces.append(self._buffer[:take])
                self._buffer, self._left = self._buffer[take:], self._left - take
                if self._left > 2:
                    break
            if self._left:
                if len(self._buffer) < 2:
                    break
                self._buffer, self._left = self._buffer[2:], 0
            if b"\r\n" not in self._buffer:
                break
            self._start_chunk()
        return pieces

    def _start_chunk(self) -> None:
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError as error:
            raise S3Error(400, "InvalidChunkSizeError", "A chunk's size is malformed.") from error
        self._ended = size == 0
        self._left = size + 2 if size else 0

    def end(self) -> dict[str, str]:
        """The trailing headers, lower-case. Raises S3Error when the last chunk never came."""
        if not self._ended:
            raise S3Error(400, "IncompleteBody", "The request body terminated too early.")
        pairs = (line.partition(":") for line in self._buffer.decode("latin-1").split("\r\n"))
        return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}
