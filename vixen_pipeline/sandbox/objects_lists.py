"""Lists of buckets and objects, as trees for XML. Belongs here: list queries and their paging.

Does not: HTTP or single objects. Keys are ordered by their bytes, as S3 orders them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, func, select

from vixen_pipeline.sandbox.objects_files import objects
from vixen_pipeline.sandbox.objects_wire import S3Error, Target, Tree, read_xml

_PAGE = 1000
_LAST = "\U0010ffff"


@dataclass(slots=True)
class Found:
    """One page: rows, groups below a delimiter, and where the next page starts."""

    rows: list[Any] = field(default_factory=list[Any])
    groups: list[str] = field(default_factory=list[str])
    last: str | None = None
    more: bool = False

    @property
    def count(self) -> int:
        return len(self.rows) + len(self.groups)


def list_buckets(connection: Connection) -> Mapping[str, Tree | Sequence[Tree]]:
    """The buckets that hold something, with their first object's time."""
    query = select(objects.c.bucket, func.min(objects.c.modified_at)).group_by(objects.c.bucket)
    listed = [
        {"Name": str(bucket), "CreationDate": _stamp(since)}
        for bucket, since in connection.execute(query.order_by(objects.c.bucket))
    ]
    owner = {"ID": "sandbox", "DisplayName": "sandbox"}
    return {"Owner": owner, "Buckets": {"Bucket": listed}}


def holds_anything(connection: Connection, bucket: str) -> bool:
    """Whether a bucket has an object."""
    query = select(objects.c.key).where(objects.c.bucket == bucket).limit(1)
    return connection.execute(query).one_or_none() is not None


def list_objects(connection: Connection, target: Target) -> Mapping[str, Tree | Sequence[Tree]]:
    """ListObjectsV2, and the first version with its marker."""
    second = target.asked("list-type") == "2"
    limit = min(target.asked_number("max-keys", _PAGE), _PAGE)
    prefix, delimiter = target.asked("prefix") or "", target.asked("delimiter") or ""
    token = target.asked("continuation-token")
    after = _read_token(token) if token else target.asked("start-after" if second else "marker")
    found = _page(connection, target.bucket, prefix, delimiter, after or "", limit)
    encode = _encoder(target)
    tree: dict[str, Tree | Sequence[Tree]] = {
        "Name": target.bucket,
        "Prefix": encode(prefix),
        "MaxKeys": str(limit),
        "IsTruncated": "true" if found.more else "false",
        "Contents": [_entry(row, encode(str(row.key))) for row in found.rows],
        "CommonPrefixes": [{"Prefix": encode(group)} for group in found.groups],
    }
    if delimiter:
        tree["Delimiter"] = encode(delimiter)
    if target.asked("encoding-type"):
        tree["EncodingType"] = "url"
    if second:
        tree["KeyCount"] = str(found.count)
        if token:
            tree["ContinuationToken"] = token
        if found.more and found.last is not None:
            tree["NextContinuationToken"] = base64.urlsafe_b64encode(found.last.encode()).decode()
    elif found.more and found.last is not None:
        tree["NextMarker"] = encode(found.last)
    return tree


def _page(
    connection: Connection, bucket: str, prefix: str, delimiter: str, after: str, limit: int
) -> Found:
    """Walk the keys in order; a group is one entry, and all its keys are skipped."""
    found = Found()
    place = after
    while limit:
        query = select(objects).where(
            objects.c.bucket == bucket,
            objects.c.key > place,
            objects.c.key.startswith(prefix, autoescape=True),
        )
        rows = connection.execute(query.order_by(objects.c.key).limit(_PAGE)).all()
        for row in rows:
            if found.count == limit:
                found.more = True
                return found
            key = str(row.key)
            group = _group(key, prefix, delimiter)
            if group is None:
                found.rows.append(row)
                found.last = place = key
                continue
            found.groups.append(group)
            found.last = place = group + _LAST
            break
        else:
            if len(rows) < _PAGE:
                return found
    return found


def _group(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    head, found, _ = key[len(prefix) :].partition(delimiter)
    return prefix + head + found if found else None


def _entry(row: Any, key: str) -> dict[str, Tree | Sequence[Tree]]:
    return {
        "Key": key,
        "LastModified": _stamp(row.modified_at),
        "ETag": f'"{row.etag}"',
        "Size": str(row.bytes),
        "StorageClass": "STANDARD",
    }


def _encoder(target: Target) -> Callable[[str], str]:
    if target.asked("encoding-type") == "url":
        return quote
    return str


def _read_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise S3Error(400, "InvalidArgument", "The continuation token is not valid") from error


def _stamp(moment: Any) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def read_delete(content: bytes) -> tuple[list[str], bool]:
    """(keys, quiet) of a DeleteObjects request. Raises S3Error 400."""
    root = read_xml(content)
    keys = [node.findtext("Key") or "" for node in root.iter("Object")]
    if not keys or len(keys) > _PAGE or not all(keys):
        raise S3Error(400, "MalformedXML", f"A delete names 1 to {_PAGE} keys.")
    return keys, root.findtext("Quiet") == "true"
