"""Multipart uploads: create, upload parts, list, complete, abort.

Belongs here: everything addressed by `uploads` or `uploadId`. Does not: single objects. Rules of
R2: parts of 5 MiB and more, all of one size but the last, numbers 1 to 10,000.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from vixen_pipeline.sandbox import objects_files
from vixen_pipeline.sandbox.objects_body import Body
from vixen_pipeline.sandbox.objects_files import Files, Stored, parts, uploads
from vixen_pipeline.sandbox.objects_headers import kept_headers
from vixen_pipeline.sandbox.objects_wire import S3Error, Target, answer_xml, read_xml
from vixen_pipeline.sandbox.state import SandboxState

LEAST_PART = 5 * 1024 * 1024
MOST_PARTS = 10_000


class Multipart:
    """The multipart operations of one request."""

    def __init__(self, state: SandboxState, files: Files) -> None:
        self._state = state
        self._files = files

    async def answer(self, request: Request, target: Target, body: Body) -> Response | None:
        """The answer when the request is about a multipart upload; None when it is not."""
        if request.method == "POST" and target.asked("uploads") is not None:
            return await self._create(request, target)
        upload_id = target.asked("uploadId")
        if upload_id is None:
            return None
        upload = await self._upload(target, upload_id)
        if request.method == "PUT":
            return await self._put_part(target, upload, body)
        if request.method == "POST":
            return await self._complete(request, target, upload, body)
        if request.method == "DELETE":
            await self._files.remove(*await self._end(upload.id))
            return Response(status_code=204)
        return await self._list(target, upload)

    async def _create(self, request: Request, target: Target) -> Response:
        values = {
            "id": secrets.token_urlsafe(24),
            "bucket": target.bucket,
            "key": target.key,
            "headers": kept_headers(request),
            "created_at": self._state.clock.now(),
        }
        await self._state.run(lambda c: c.execute(insert(uploads).values(values)) and None)
        tree = {"Bucket": target.bucket, "Key": target.key, "UploadId": str(values["id"])}
        return answer_xml("InitiateMultipartUploadResult", tree)

    async def _upload(self, target: Target, upload_id: str) -> Any:
        query = select(uploads).where(
            uploads.c.id == upload_id,
            uploads.c.bucket == target.bucket,
            uploads.c.key == target.key,
        )
        row = await self._state.run(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise S3Error(404, "NoSuchUpload", "The specified multipart upload does not exist.")
        return row

    async def _put_part(self, target: Target, upload: Any, body: Body) -> Response:
        number = target.asked_number("partNumber", 0)
        if not 1 <= number <= MOST_PARTS:
            raise S3Error(400, "InvalidArgument", f"partNumber must be 1 to {MOST_PARTS}")
        stored, checksums = await self._files.receive("_parts", f"{upload.id}.{number}", body)
        values = {
            "upload_id": upload.id,
            "number": number,
            "file": stored.file,
            "bytes": stored.bytes,
            "etag": stored.etag,
            "modified_at": self._state.clock.now(),
        }
        old = select(parts.c.file).where(parts.c.upload_id == upload.id, parts.c.number == number)
        statement = insert(parts).values(values)
        statement = statement.on_conflict_do_update(
            index_elements=["upload_id", "number"],
            set_={column: statement.excluded[column] for column in values},
        )

        def replace(connection: Any) -> list[str]:
            replaced = [str(file) for file in connection.execute(old).scalars()]
            connection.execute(statement)
            return replaced

        await self._files.remove(*await self._state.run(replace))
        return Response(status_code=200, headers={"etag": f'"{stored.etag}"', **checksums})

    async def _parts(self, upload_id: str) -> dict[int, Any]:
        query = select(parts).where(parts.c.upload_id == upload_id).order_by(parts.c.number)
        rows = await self._state.run(lambda connection: connection.execute(query).all())
        return {row.number: row for row in rows}

    async def _complete(
        self, request: Request, target: Target, upload: Any, body: Body
    ) -> Response:
        content = b"".join([piece async for piece in body.pieces()])
        body.verify()
        chosen = _chosen(content, await self._parts(upload.id))
        digest = hashlib.md5(b"".join(bytes.fromhex(row.etag) for row in chosen))
        etag = f"{digest.hexdigest()}-{len(chosen)}"
        stored: Stored = await self._files.join(
            target.bucket, target.key, [row.file for row in chosen], etag
        )
        fresh = request.headers.get("if-none-match") == "*"
        now = self._state.clock.now()
        naming = objects_files.name(
            target.bucket, target.key, stored, upload.headers, now, fresh=fresh
        )
        done, replaced = await self._state.run(naming)
        if not done:
            await self._files.remove(stored.file)
            raise S3Error(
                412, "PreconditionFailed", "The object exists", {"Condition": "If-None-Match"}
            )
        await self._files.remove(*([replaced] if replaced else []), *await self._end(upload.id))
        tree = {
            "Location": f"{self._state.config.base_url}/s3/{target.bucket}/{target.key}",
            "Bucket": target.bucket,
            "Key": target.key,
            "ETag": f'"{etag}"',
        }
        return answer_xml("CompleteMultipartUploadResult", tree)

    async def _end(self, upload_id: str) -> list[str]:
        """Forget an upload; gives the files of its parts."""
        gone = parts.delete().where(parts.c.upload_id == upload_id).returning(parts.c.file)

        def run(connection: Any) -> list[str]:
            connection.execute(uploads.delete().where(uploads.c.id == upload_id))
            return [str(file) for file in connection.execute(gone).scalars()]

        return await self._state.run(run)

    async def _list(self, target: Target, upload: Any) -> Response:
        found = await self._parts(upload.id)
        listed = [
            {
                "PartNumber": str(number),
                "LastModified": row.modified_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "ETag": f'"{row.etag}"',
                "Size": str(row.bytes),
            }
            for number, row in found.items()
        ]
        tree = {
            "Bucket": target.bucket,
            "Key": target.key,
            "UploadId": str(upload.id),
            "MaxParts": str(MOST_PARTS),
            "IsTruncated": "false",
            "Part": listed,
        }
        return answer_xml("ListPartsResult", tree)


def _chosen(content: bytes, found: dict[int, Any]) -> Sequence[Any]:
    """The rows of the parts that a Complete names. Raises S3Error 400."""
    root = read_xml(content)
    named = [
        (int(node.findtext("PartNumber") or 0), (node.findtext("ETag") or "").strip('"'))
        for node in root.iter("Part")
    ]
    if not named:
        raise S3Error(400, "MalformedXML", "A completion names at least one part.")
    numbers = [number for number, _ in named]
    if numbers != sorted(set(numbers)):
        raise S3Error(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    for number, etag in named:
        if number not in found or found[number].etag != etag:
            raise S3Error(
                400, "InvalidPart", "One or more of the specified parts could not be found.",
                {"PartNumber": str(number)},
            )  # fmt: skip
    rows = [found[number] for number in numbers]
    if any(row.bytes < LEAST_PART for row in rows[:-1]):
        raise S3Error(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum.")
    if len({row.bytes for row in rows[:-1]}) > 1:
        raise S3Error(400, "InvalidPart", "All non-trailing parts must have the same length.")
    return rows
