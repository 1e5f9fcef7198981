"""Headers that objects keep and give back; conditions and ranges of a read.

Belongs here: pure functions over requests and rows. Does not: files or the index.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from fastapi import Request, Response

from vixen_pipeline.sandbox.objects_wire import S3Error, Target

_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")
_KEPT = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
_MOST_METADATA = 8192


def kept_headers(request: Request) -> dict[str, str]:
    """The headers that an object gives back: content headers and its own metadata."""
    kept = {name: request.headers[name] for name in _KEPT if name in request.headers}
    own = {name: value for name, value in request.headers.items() if name.startswith("x-amz-meta-")}
    if sum(len(name) - 11 + len(value) for name, value in own.items()) > _MOST_METADATA:
        raise S3Error(400, "MetadataTooLarge", "Your metadata headers exceed the maximum size")
    encoding = kept.get("content-encoding", "")
    if "aws-chunked" in encoding:
        left = ",".join(part for part in encoding.split(",") if part.strip() != "aws-chunked")
        kept = {**kept, "content-encoding": left} if left else _without(kept, "content-encoding")
    return {**kept, **own}


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


def object_headers(row: Any, request: Request, target: Target) -> dict[str, str]:
    """What a GET or HEAD of this object answers with, before ranges."""
    headers: dict[str, str] = dict(row.headers)
    if request.headers.get("x-amz-checksum-mode") != "ENABLED" or "range" in request.headers:
        checksums = [name for name in headers if name.startswith("x-amz-checksum-")]
        for name in checksums:
            headers = _without(headers, name)
    headers.setdefault("content-type", "binary/octet-stream")
    headers["etag"] = f'"{row.etag}"'
    headers["last-modified"] = format_datetime(row.modified_at, usegmt=True)
    headers["accept-ranges"] = "bytes"
    for name in _KEPT:
        override = target.asked(f"response-{name}")
        if override is not None:
            headers[name] = override
    return headers


def unchanged(request: Request, row: Any) -> Response | None:
    """304 or 412 when the reader's condition says so."""
    match, none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    if match is not None and match.strip('"') not in (row.etag, "*"):
        raise precondition("If-Match")
    if none_match is not None:
        return Response(status_code=304) if none_match.strip('"') in (row.etag, "*") else None
    since = request.headers.get("if-modified-since")
    if since is not None and not row.modified_at.replace(microsecond=0) > _http_date(since):
        return Response(status_code=304)
    return None


def _http_date(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text)
    except ValueError as error:
        raise S3Error(400, "InvalidArgument", "A date header is malformed") from error


def range_of(request: Request, size: int) -> tuple[int, int, int]:
    """(start, end exclusive, status) of what is to be sent."""
    found = _RANGE.match(request.headers.get("range", ""))
    if found is None or found.group(0) == "bytes=-":
        return 0, size, 200
    first, last = found.groups()
    if first:
        start, end = int(first), min(int(last) + 1 if last else size, size)
    else:
        start, end = max(0, size - int(last)), size
    if start >= size or end <= start:
        raise S3Error(
            416,
            "InvalidRange",
            "The requested range is not satisfiable",
            {"ActualObjectSize": str(size)},
        )
    return start, end, 206


def precondition(condition: str) -> S3Error:
    """The 412 that names the condition which did not hold."""
    message = "At least one of the pre-conditions you specified did not hold"
    return S3Error(412, "PreconditionFailed", message, {"Condition": condition})
