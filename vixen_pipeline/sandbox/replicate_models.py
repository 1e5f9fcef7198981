"""Models and versions: the catalogue, models made by clients, and versions that trainings made."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from vixen_pipeline.sandbox.replicate_catalog import (
    BY_SLUG,
    BY_VERSION,
    CATALOG,
    COG_VERSION,
    HARDWARE,
    CatalogModel,
    openapi_schema,
    version_id,
)
from vixen_pipeline.sandbox.replicate_common import Json, Problem, iso, json_body
from vixen_pipeline.sandbox.replicate_tables import (
    Row,
    ends_at,
    models,
    read_rows,
    status_at,
    trainings,
)
from vixen_pipeline.sandbox.state import SandboxState

CATALOG_DATE = "2026-01-15T12:00:00Z"
_FIELDS = ("visibility", "hardware", "description", "github_url", "paper_url", "license_url")


def add_routes(api: APIRouter, state: SandboxState) -> None:
    async def listing() -> JSONResponse:
        rows = await state.run(partial(read_rows, query=select(models)))
        found = [_catalog_json(model) for model in CATALOG]
        found += [_model_json(row, None) for row in rows]
        return JSONResponse({"previous": None, "next": None, "results": found})

    async def search(request: Request) -> JSONResponse:
        words = (await request.body()).decode(errors="replace").lower().split()
        found = [
            _catalog_json(model)
            for model in CATALOG
            if all(word in f"{model.slug} {model.description}".lower() for word in words)
        ]
        return JSONResponse({"previous": None, "next": None, "results": found})

    async def create(request: Request) -> JSONResponse:
        return JSONResponse(await _create(state, await json_body(request)), 201)

    async def get(owner: str, name: str) -> JSONResponse:
        model = BY_SLUG.get(f"{owner}/{name}")
        if model is not None:
            return JSONResponse(_catalog_json(model))
        row = await state.run(lambda c: find(c, owner, name))
        made = await state.run(lambda c: made_versions(c, state, f"{owner}/{name}"))
        return JSONResponse(_model_json(row, made[0] if made else None))

    async def delete(owner: str, name: str) -> Response:
        await state.run(lambda c: _delete(c, owner, name))
        return Response(status_code=204)

    api.add_api_route("/models", listing, methods=["GET"])
    api.add_api_route("/models", search, methods=["QUERY"])
    api.add_api_route("/models", create, methods=["POST"])
    api.add_api_route("/models/{owner}/{name}", get, methods=["GET"])
    api.add_api_route("/models/{owner}/{name}", delete, methods=["DELETE"])
    _add_version_routes(api, state)


def _add_version_routes(api: APIRouter, state: SandboxState) -> None:
    async def versions(owner: str, name: str) -> list[Json]:
        model = BY_SLUG.get(f"{owner}/{name}")
        if model is not None:
            return [_version_json(model.version, CATALOG_DATE, model)]
        await state.run(lambda c: find(c, owner, name))
        return await state.run(lambda c: made_versions(c, state, f"{owner}/{name}"))

    async def listing(owner: str, name: str) -> JSONResponse:
        found = await versions(owner, name)
        return JSONResponse({"previous": None, "next": None, "results": found})

    async def get(owner: str, name: str, version: str) -> JSONResponse:
        for found in await versions(owner, name):
            if found["id"] == version:
                return JSONResponse(found)
        raise Problem(404, "The requested resource could not be found.")

    path = "/models/{owner}/{name}/versions"
    api.add_api_route(path, listing, methods=["GET"])
    api.add_api_route(path + "/{version}", get, methods=["GET"])


async def _create(state: SandboxState, body: Json) -> Json:
    missing = [f"- {f} is required" for f in ("owner", "name", "visibility", "hardware")
               if not isinstance(body.get(f), str) or not body[f]]  # fmt: skip
    if not missing and body["hardware"] not in {sku for _, sku in HARDWARE}:
        missing = [f"- hardware: {body['hardware']!r} is not available"]
    if not missing and body["visibility"] not in ("public", "private"):
        missing = ["- visibility: Must be one of the following: 'public', 'private'"]
    if missing:
        raise Problem(422, "\n".join(missing))
    row = {
        "owner": body["owner"],
        "name": body["name"],
        "fields": {name: body.get(name) for name in _FIELDS},
        "created_at": state.clock.now(),
    }
    statement = insert(models).values(row).on_conflict_do_nothing().returning(models.c.name)
    made = await state.run(lambda c: c.execute(statement).one_or_none())
    if made is None or f"{row['owner']}/{row['name']}" in BY_SLUG:
        raise Problem(409, "A model with that name and owner already exists")
    return _model_json(row, None)


def find(connection: Connection, owner: str, name: str) -> Row:
    """A model made by a client; Problem 404 when there is none."""
    query = select(models).where(models.c.owner == owner, models.c.name == name)
    rows = read_rows(connection, query)
    if not rows:
        raise Problem(404, "The requested resource could not be found.")
    return rows[0]


def _delete(connection: Connection, owner: str, name: str) -> None:
    find(connection, owner, name)
    where = (models.c.owner == owner, models.c.name == name)
    connection.execute(models.delete().where(*where))


def trained_version(training_id: str) -> str:
    """The id of the version that a training makes at its destination."""
    return version_id(f"training:{training_id}")


def made_versions(connection: Connection, state: SandboxState, slug: str) -> list[Json]:
    """Versions at a destination, newest first."""
    now = state.clock.now()
    query = select(trainings).where(trainings.c.destination == slug).order_by(trainings.c.seq)
    rows = [row for row in read_rows(connection, query) if status_at(row, now) == "succeeded"]
    sdxl = BY_SLUG["stability-ai/sdxl"]
    return [
        _version_json(trained_version(row["id"]), iso(ends_at(row)) or "", sdxl)
        for row in reversed(rows)
    ]


def resolve(connection: Connection, state: SandboxState, ref: str) -> tuple[str, str, CatalogModel]:
    """(slug, version, model) of a version id, `owner/name` or `owner/name:version`."""
    slug, _, version = ref.rpartition(":") if ":" in ref else ("", "", ref)
    if "/" in version:
        slug, version = version, ""
    model = BY_VERSION.get(version) if version else BY_SLUG.get(slug)
    if model is not None and slug in ("", model.slug):
        return model.slug, model.version, model
    for row in connection.execute(select(trainings.c.id, trainings.c.destination)):
        if trained_version(row.id) == version and slug in ("", row.destination):
            return row.destination, version, BY_SLUG["stability-ai/sdxl"]
    raise Problem(
        422,
        "The specified version does not exist (or perhaps you don't have permission to use it?)",
        "Invalid version or not permitted",
    )


def _version_json(version: str, created_at: str, model: CatalogModel) -> Json:
    return {
        "id": version,
        "created_at": created_at,
        "cog_version": COG_VERSION,
        "openapi_schema": openapi_schema(model),
    }


def _catalog_json(model: CatalogModel) -> Json:
    version = _version_json(model.version, CATALOG_DATE, model)
    fields = {"description": model.description, "visibility": "public"}
    row = {"owner": model.owner, "name": model.name, "fields": fields, "created_at": None}
    return _model_json(row, version)


def _model_json(row: Row, version: Json | None) -> Json:
    fields: dict[str, Any] = row["fields"]
    slug = f"{row['owner']}/{row['name']}"
    return {
        "url": f"https://replicate.com/{slug}",
        "owner": row["owner"],
        "name": row["name"],
        "description": fields.get("description"),
        "visibility": fields["visibility"],
        "github_url": fields.get("github_url"),
        "paper_url": fields.get("paper_url"),
        "license_url": fields.get("license_url"),
        "run_count": 0,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": version,
    }
