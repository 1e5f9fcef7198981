"""An S3 that unmodified boto3 can use (path style, endpoint <sandbox>/s3). Also R2's rules.

Belongs here: routes, buckets, single objects. Does not: signatures (objects_sigv4), bodies
(objects_body), files (objects_files), lists (objects_lists), multipart (objects_multipart).

Every bucket with a valid name exists. Signatures are verified, in the header and in presigned
URLs; presigned URLs end by sandbox time. Not implemented, like R2: ACLs, tagging, versions,
policies; unlike R2: copying, lifecycle rules, the limit of one write per second and key.

Faults: `unavailable` (503 ServiceUnavailable), `disk_full` (writes only: 507 with the code
InsufficientStorage; the same answer as on a disk that really is full), `slow` (`seconds` before
the first byte), `corrupt` (a GET with its first byte changed), `vanish` (a GET that finds nothing),
`no_bucket` (404 NoSuchBucket). The fault's route is "METHOD /bucket/key".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection, func, select

from vixen_pipeline.sandbox import objects_files, objects_lists, objects_multipart
from vixen_pipeline.sandbox.objects_body import Body
from vixen_pipeline.sandbox.objects_files import Files, objects
from vixen_pipeline.sandbox.objects_headers import (
    kept_headers,
    object_headers,
    precondition,
    range_of,
    unchanged,
)
from vixen_pipeline.sandbox.objects_sigv4 import Keys, check_signature
from vixen_pipeline.sandbox.objects_wire import (
    Route,
    S3Error,
    Target,
    answer_xml,
    disk_full,
    shape,
    target_of,
)
from vixen_pipeline.sandbox.state import SandboxState

PROVIDER = "s3"
_BUCKET = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
_UNSUPPORTED = frozenset(
    {"acl", "tagging", "policy", "versioning", "versions", "lifecycle", "cors", "encryption"}
    | {"object-lock", "legal-hold", "retention", "website", "logging"}
)
_MOST_KEY = 1024


def router(state: SandboxState) -> APIRouter:
    """All object routes, below /s3."""
    routes = APIRouter(tags=["s3"], route_class=Route)
    files = Files(state.config.objects_dir / "_s3")
    state.faults.shape(PROVIDER, shape)
    state.on_reset.append(lambda _: files.remove_all())
    state.counts.append(_count)
    store = Store(state, files)
    methods = ["GET", "HEAD", "PUT", "POST", "DELETE"]
    routes.add_api_route("", store.service, methods=["GET"])
    routes.add_api_route("/", store.service, methods=["GET"])
    routes.add_api_route("/{bucket}", store.bucket, methods=methods)
    routes.add_api_route("/{bucket}/", store.bucket, methods=methods)
    routes.add_api_route("/{bucket}/{key:path}", store.object, methods=methods)
    return routes


def _count(connection: Connection) -> dict[str, Any]:
    query = select(func.count(), func.coalesce(func.sum(objects.c.bytes), 0)).select_from(objects)
    number, size = connection.execute(query).one()
    return {"objects": int(number), "object_bytes": int(size)}


class Store:
    """The handlers. Each checks the signature before anything else."""

    def __init__(self, state: SandboxState, files: Files) -> None:
        self._state = state
        self._files = files
        token = state.config.token
        self._keys = Keys(token[:20], token)

    async def _admit(self, request: Request) -> tuple[Target, str]:
        target = target_of(request)
        payload = check_signature(request, target, self._keys, self._state.clock.now())
        take = self._state.faults.take
        if (slow := take(PROVIDER, "slow", target.route)) is not None:
            await asyncio.sleep(slow.seconds or 1.0)
        if take(PROVIDER, "unavailable", target.route) is not None:
            raise S3Error(503, "ServiceUnavailable", "Please reduce your request rate.")
        if take(PROVIDER, "no_bucket", target.route) is not None or (
            target.bucket and not _BUCKET.match(target.bucket)
        ):
            raise S3Error(
                404,
                "NoSuchBucket",
                "The specified bucket does not exist",
                {"BucketName": target.bucket},
            )
        asked = [name for name, _ in target.query if name in _UNSUPPORTED]
        if asked:
            raise S3Error(501, "NotImplemented", f"{asked[0]} is not implemented")
        writing = request.method in ("PUT", "POST")
        if writing and take(PROVIDER, "disk_full", target.route) is not None:
            raise disk_full()
        return target, payload

    async def service(self, request: Request) -> Response:
        """List the buckets that hold something."""
        await self._admit(request)
        return answer_xml(
            "ListAllMyBucketsResult", await self._state.run(objects_lists.list_buckets)
        )

    async def bucket(self, request: Request) -> Response:
        """Create, look up or delete a bucket; list objects; delete several."""
        target, payload = await self._admit(request)
        if request.method == "GET" and target.asked("location") is not None:
            return answer_xml("LocationConstraint", {})
        if request.method == "GET" and target.asked("uploads") is None:
            tree = await self._state.run(lambda c: objects_lists.list_objects(c, target))
            return answer_xml("ListBucketResult", tree)
        if request.method == "POST" and target.asked("delete") is not None:
            return await self._delete_many(request, target, payload)
        if request.method == "PUT":
            return Response(status_code=200, headers={"location": f"/{target.bucket}"})
        if request.method == "HEAD":
            return Response(status_code=200, headers={"x-amz-bucket-region": "auto"})
        if request.method == "DELETE":
            if await self._state.run(lambda c: objects_lists.holds_anything(c, target.bucket)):
                raise S3Error(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
            return Response(status_code=204)
        raise S3Error(501, "NotImplemented", "This operation is not implemented")

    async def object(self, request: Request) -> Response:
        """Everything that addresses one key."""
        target, payload = await self._admit(request)
        if len(target.key.encode()) > _MOST_KEY:
            raise S3Error(400, "KeyTooLongError", "Your key is too long")
        multipart = objects_multipart.Multipart(self._state, self._files)
        answer = await multipart.answer(request, target, Body(request, payload))
        if answer is not None:
            return answer
        if request.method == "PUT":
            return await self._put(request, target, payload)
        if request.method in ("GET", "HEAD"):
            return await self._get(request, target)
        if request.method == "DELETE":
            await self._files.remove(*await self._state.run(objects_files.forget(target)))
            return Response(status_code=204)
        raise S3Error(405, "MethodNotAllowed", "The method is not allowed against this resource.")

    async def _delete_many(self, request: Request, target: Target, payload: str) -> Response:
        body = Body(request, payload)
        content = b"".join([piece async for piece in body.pieces()])
        body.verify()
        keys, quiet = objects_lists.read_delete(content)
        forget = objects_files.forget(target, *keys)
        await self._files.remove(*await self._state.run(forget))
        deleted = [] if quiet else [{"Key": key} for key in keys]
        return answer_xml("DeleteResult", {"Deleted": deleted})

    async def _put(self, request: Request, target: Target, payload: str) -> Response:
        if "x-amz-copy-source" in request.headers:
            raise S3Error(501, "NotImplemented", "Copying is not implemented")
        fresh = await self._check_write(request, target)
        headers = kept_headers(request)
        stored, checksums = await self._files.receive(
            target.bucket, target.key, Body(request, payload)
        )
        now = self._state.clock.now()
        naming = objects_files.name(
            target.bucket, target.key, stored, {**headers, **checksums}, now, fresh=fresh
        )
        done, replaced = await self._state.run(naming)
        if not done:
            await self._files.remove(stored.file)
            raise precondition("If-None-Match")
        if replaced is not None:
            await self._files.remove(replaced)
        return Response(status_code=200, headers={"etag": f'"{stored.etag}"', **checksums})

    async def _check_write(self, request: Request, target: Target) -> bool:
        """Whether the object must be new. Fails before the body is read where it can."""
        none_match = request.headers.get("if-none-match")
        if none_match is not None and none_match != "*":
            raise S3Error(501, "NotImplemented", "If-None-Match takes only * here")
        match = request.headers.get("if-match")
        if none_match is None and match is None:
            return False
        row: Any = await self._state.run(objects_files.find(target.bucket, target.key))
        if none_match is not None and row is not None:
            raise precondition("If-None-Match")
        if match is not None and (row is None or match.strip('"') not in (row.etag, "*")):
            raise precondition("If-Match")
        return none_match is not None

    async def _get(self, request: Request, target: Target) -> Response:
        if self._state.faults.take(PROVIDER, "vanish", target.route) is not None:
            raise _no_such_key(target)
        row, source = await self._open(target)
        try:
            headers = object_headers(row, request, target)
            if (early := unchanged(request, row)) is not None:
                early.headers.update({"etag": headers["etag"]})
                source.close()
                return early
            start, end, status = range_of(request, row.bytes)
        except S3Error:
            source.close()
            raise
        headers["content-length"] = str(end - start)
        if status == 206:
            headers["content-range"] = f"bytes {start}-{end - 1}/{row.bytes}"
        if request.method == "HEAD":
            source.close()
            return Response(status_code=status, headers=headers)
        source.seek(start)
        content = objects_files.read(source, end - start)
        if self._state.faults.take(PROVIDER, "corrupt", target.route) is not None:
            content = _corrupted(content)
        return StreamingResponse(content, status, headers)

    async def _open(self, target: Target) -> tuple[Any, BinaryIO]:
        """The row and its open file; an object replaced in between is looked up again."""
        for _ in range(5):
            row: Any = await self._state.run(objects_files.find(target.bucket, target.key))
            if row is None:
                raise _no_such_key(target)
            path = self._files.path(row.file)
            try:
                return row, await asyncio.to_thread(path.open, "rb")
            except FileNotFoundError:
                continue
        raise S3Error(500, "InternalError", "The object's file is missing.")


async def _corrupted(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    first = True
    async for piece in content:
        yield bytes([piece[0] ^ 0xFF]) + piece[1:] if first else piece
        first = False


def _no_such_key(target: Target) -> S3Error:
    return S3Error(404, "NoSuchKey", "The specified key does not exist.", {"Key": target.key})
