"""Uploaded files, and the delivery host where outputs are fetched until they are removed.

Belongs here: bytes in and out, and the faults that spoil them. Does not: making them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Table, select

from vixen_pipeline.sandbox import weights
from vixen_pipeline.sandbox.lora_learnt import Learnt, result_of
from vixen_pipeline.sandbox.replicate_common import Json, Problem, iso, new_id
from vixen_pipeline.sandbox.replicate_tables import (
    RETENTION,
    Row,
    files,
    predictions,
    read_rows,
    removed_at,
    status_at,
    trainings,
)
from vixen_pipeline.sandbox.state import SandboxState

MAX_INPUT_BYTES = 500_000_000
OWN_STORE_TRIES, OWN_STORE_WAIT = 20, 0.25
HTML = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
)
_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


class BadInput(Exception):
    """An input URL that cannot be fetched; the message becomes the job's error."""


def folder(state: SandboxState) -> Path:
    """Where output and uploaded bytes lie. No bucket can have this name."""
    return state.config.objects_dir / "_replicate"


def output_url(state: SandboxState, job_id: str, name: str) -> str:
    return f"{state.config.base_url}/replicate/delivery/{job_id}/{name}"


async def fetch_input(state: SandboxState, url: str) -> bytes:
    """Download an input by URL: http(s), a data URI, or a file uploaded here. Raises BadInput."""
    if url.startswith("data:"):
        head, _, payload = url.partition(",")
        return base64.b64decode(payload) if head.endswith("base64") else unquote_to_bytes(payload)
    uploads = f"{state.config.base_url}/replicate/v1/files/"
    if url.startswith(uploads):
        path = folder(state) / "files" / Path(url.removeprefix(uploads)).name
        if not path.exists():
            raise BadInput(f"the file {path.name} does not exist")
        return await asyncio.to_thread(path.read_bytes)
    try:
        response = await _get(state, url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BadInput(f"{type(error).__name__} for {_bare(url)}") from error
    if not response.is_success:
        raise BadInput(f"status {response.status_code} for {_bare(url)}")
    if len(response.content) > MAX_INPUT_BYTES:
        raise BadInput(f"more than {MAX_INPUT_BYTES} bytes at {_bare(url)}")
    return response.content


async def _get(state: SandboxState, url: str) -> httpx.Response:
    """A restarted sandbox goes on drawing a moment before its own object store listens again."""
    for _ in range(OWN_STORE_TRIES if url.startswith(state.config.base_url) else 0):
        try:
            return await state.http.get(url)
        except httpx.ConnectError:
            await asyncio.sleep(OWN_STORE_WAIT)
    return await state.http.get(url)


def _bare(url: str) -> str:
    return url.partition("?")[0]  # the query of a presigned URL is a credential


def add_delivery(routes: APIRouter, state: SandboxState) -> None:
    """The delivery host: no token asked, as with the real one."""

    async def deliver(job_id: str, name: str) -> Response:
        for table in (predictions, trainings):
            query = select(table).where(table.c.id == job_id)
            rows = await state.run(partial(read_rows, query=query))
            if rows:
                return await _deliver(state, table, rows[0], name)
        raise Problem(404, "Not found")

    routes.add_api_route("/delivery/{job_id}/{name}", deliver, methods=["GET"])


async def _deliver(state: SandboxState, table: Table, row: Row, name: str) -> Response:
    now = state.clock.now()
    route = f"GET /delivery/{row['id']}/{name}"
    if state.faults.take("replicate", "vanish", route) is not None:
        gone = table.update().where(table.c.id == row["id"]).values(vanished=True)
        await state.run(lambda c: c.execute(gone) and None)
        raise Problem(404, "Not found")
    if status_at(row, now) != "succeeded" or removed_at(row, now):
        raise Problem(404, "Not found")
    if table is trainings:
        if name != "trained_model.tar":
            raise Problem(404, "Not found")
        checkpoints, learnt = await result_of(state, str(row["id"]))
        content = await asyncio.to_thread(_weights, row, checkpoints, learnt)
        kind = "application/x-tar"
    else:
        if name not in row["files"]:
            raise Problem(404, "Not found")
        content = await asyncio.to_thread((folder(state) / row["id"] / name).read_bytes)
        kind = _TYPES[name.rpartition(".")[2]]
    damage = state.faults.take("replicate", "corrupt", route)
    if damage is not None or row.get("damage") == "corrupt":
        content = content[: len(content) // 2]
    html = state.faults.take("replicate", "html", route) is not None
    if html or row.get("damage") == "html" or row.get("weights") == "html":
        content, kind = HTML, "text/html; charset=utf-8"
    return Response(content, media_type=kind, headers={"etag": f'"{row["id"]}-{len(content)}"'})


def _weights(row: Row, checkpoints: int, learnt: Learnt | None) -> bytes:
    given: dict[str, Any] = row["input"]
    return weights.archive(
        seed=str(row["id"]),
        rank=int(given.get("lora_rank") or 32),
        token=str(given.get("token_string") or "TOK"),
        kind=str(row["weights"]),
        learnt=learnt,
        checkpoints=checkpoints,
        steps=int(given.get("max_train_steps") or 1000),
    )


def add_routes(api: APIRouter, state: SandboxState) -> None:
    async def create(request: Request) -> JSONResponse:
        parts = _multipart(request.headers.get("content-type", ""), await request.body())
        upload = parts.get("content")
        if upload is None:
            raise Problem(422, "- content is required")
        described = parts.get("metadata")
        meta: Json = json.loads(_bytes(described)) if described is not None else {}
        return JSONResponse(await _store(state, upload, meta), 201)

    async def listing() -> JSONResponse:
        query = select(files).order_by(files.c.seq.desc())
        found = [_file_json(state, row) for row in await state.run(partial(read_rows, query=query))]
        return JSONResponse({"previous": None, "next": None, "results": found})

    async def get(file_id: str) -> JSONResponse:
        query = select(files).where(files.c.id == file_id)
        rows = await state.run(partial(read_rows, query=query))
        if not rows:
            raise Problem(404, "The requested resource could not be found.")
        return JSONResponse(_file_json(state, rows[0]))

    async def delete(file_id: str) -> Response:
        statement = files.delete().where(files.c.id == file_id).returning(files.c.id)
        if await state.run(lambda c: c.execute(statement).one_or_none()) is None:
            raise Problem(404, "The requested resource could not be found.")
        (folder(state) / "files" / file_id).unlink(missing_ok=True)
        return Response(status_code=204)

    api.add_api_route("/files", create, methods=["POST"])
    api.add_api_route("/files", listing, methods=["GET"])
    api.add_api_route("/files/{file_id}", get, methods=["GET"])
    api.add_api_route("/files/{file_id}", delete, methods=["DELETE"])


def _multipart(content_type: str, body: bytes) -> dict[str, EmailMessage]:
    """The parts of a form by name; a form is a MIME message, which the standard library reads."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(_class=EmailMessage, policy=HTTP).parsebytes(head + body)
    if not message.is_multipart():
        return {}
    return {
        str(part.get_param("name", header="content-disposition")): cast("EmailMessage", part)
        for part in message.iter_parts()
    }


def _bytes(part: EmailMessage) -> bytes:
    return cast("bytes", part.get_payload(decode=True))


async def _store(state: SandboxState, upload: EmailMessage, meta: Json) -> Json:
    content = _bytes(upload)
    row = {
        "id": new_id(),
        "name": upload.get_filename() or "file",
        "content_type": upload.get_content_type(),
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": hashlib.md5(content).hexdigest(),
        "metadata": meta,
        "created_at": state.clock.now(),
    }
    path = folder(state) / "files" / str(row["id"])

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    await asyncio.to_thread(write)
    await state.run(lambda c: c.execute(files.insert().values(row)) and None)
    return _file_json(state, row)


def _file_json(state: SandboxState, row: Row) -> Json:
    return {
        "id": row["id"],
        "name": row["name"],
        "content_type": row["content_type"],
        "size": row["size"],
        "etag": row["md5"],
        "checksums": {"sha256": row["sha256"], "md5": row["md5"]},
        "metadata": row["metadata"],
        "created_at": iso(row["created_at"]),
        "expires_at": iso(row["created_at"] + 24 * RETENTION),
        "urls": {"get": f"{state.config.base_url}/replicate/v1/files/{row['id']}"},
    }
