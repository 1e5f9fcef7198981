"""Predictions: created with or without waiting, drawn on threads, listed with their input.

Belongs here: a prediction's life. Does not: pixels (drawing.py), webhooks (replicate_worker.py).
"""

from __future__ import annotations

import asyncio
import random
import re
from datetime import datetime, timedelta
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from vixen_pipeline.sandbox import replicate_jobs as jobs
from vixen_pipeline.sandbox.replicate_catalog import (
    BY_SLUG,
    BY_VERSION,
    PREDICTION_BILLED_SECONDS,
    CatalogModel,
    input_problems,
)
from vixen_pipeline.sandbox.replicate_common import Json, Problem, json_body
from vixen_pipeline.sandbox.replicate_files import BadInput, output_url
from vixen_pipeline.sandbox.replicate_models import resolve
from vixen_pipeline.sandbox.replicate_painting import KINDS, Painter
from vixen_pipeline.sandbox.replicate_tables import (
    Row,
    ends_at,
    is_over,
    predictions,
    removed_at,
    status_at,
)
from vixen_pipeline.sandbox.state import SandboxState, drawn_images

LONGEST_WAIT = 60.0


class Predictions:
    """The predictions of one sandbox."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._working: dict[str, asyncio.Task[Row]] = {}
        self._canceled: set[str] = set()  # spares those who wait a look into the database
        self._painter = Painter(state)

    def add_routes(self, api: APIRouter) -> None:
        api.add_api_route("/predictions", self._create, methods=["POST"])
        api.add_api_route("/models/{owner}/{name}/predictions", self._create_for, methods=["POST"])
        api.add_api_route("/predictions", self._list, methods=["GET"])
        api.add_api_route("/predictions/{job_id}", self._get, methods=["GET"])
        api.add_api_route("/predictions/{job_id}/cancel", self._cancel, methods=["POST"])

    def forget(self, _: Connection) -> None:
        """Part of a reset: what memory holds goes too."""
        self._canceled.clear()
        self._painter.forget()

    async def _create(self, request: Request) -> JSONResponse:
        body = await json_body(request)
        ref = body.get("version")
        if not isinstance(ref, str) or not ref:
            raise Problem(422, "- version is required")
        return await self._begin(ref, body, request, "POST /v1/predictions")

    async def _create_for(self, owner: str, name: str, request: Request) -> JSONResponse:
        route = f"POST /v1/models/{owner}/{name}/predictions"
        return await self._begin(f"{owner}/{name}", await json_body(request), request, route)

    async def _begin(self, ref: str, body: Json, request: Request, route: str) -> JSONResponse:
        row = await self._state.run(lambda c: self._insert(c, ref, body, route))
        task = self.prepare(row)
        wait = _wait_seconds(request.headers.get("prefer"))
        if wait > 0:
            row = await self._wait(row, task, wait)
        shown = self.show(row, self._state.clock.now())
        if wait > 0 and not is_over(shown["status"]):
            # The official client takes anything but `starting` for the end.
            return JSONResponse({**shown, "status": "starting", "started_at": None}, 202)
        return JSONResponse(shown, 201)

    def _insert(self, connection: Connection, ref: str, body: Json, route: str) -> Json:
        slug, version, model = resolve(connection, self._state, ref)
        given = body.get("input")
        if not isinstance(given, dict):
            raise Problem(422, "- input is required")
        values = cast("Json", given)
        problems = input_problems(values, model.inputs, model.required)
        if problems:
            raise Problem(422, "\n".join(problems))
        faults = self._state.faults
        kinds = [kind for kind in KINDS if faults.take("replicate", kind, route)]
        outcome = "succeeded"
        if faults.take("replicate", "fail", route):
            outcome = "failed"
        if faults.take("replicate", "abort", route):
            outcome = "aborted"
        row = jobs.new_job(
            self._state,
            slug,
            version,
            values,
            seconds=self._state.controls.latency.get("replicate", 0.0),
            outcome=outcome,
            predict_time=PREDICTION_BILLED_SECONDS + round(random.uniform(-0.5, 0.5), 6),
            kind=kinds[0] if kinds else "portrait",
            **jobs.webhook_columns(body),
        )
        connection.execute(predictions.insert().values(row))
        return {
            **row,
            "done_at": None,
            "canceled_at": None,
            "error": None,
            "logs": "",
            "files": [],
            "damage": None,
            "vanished": False,
        }

    async def _wait(self, row: Json, task: asyncio.Task[Row], seconds: float) -> Row:
        """Hold the reply until the prediction is over, `seconds` at most."""
        limit = self._state.clock.now() + timedelta(seconds=seconds)
        try:
            current = await asyncio.wait_for(asyncio.shield(task), seconds)
        except TimeoutError:
            return row
        until = min(ends_at(current), limit)
        while (now := self._state.clock.now()) < until and not is_over(status_at(current, now)):
            await asyncio.sleep((until - now).total_seconds() + 0.001)
        if row["id"] in self._canceled:
            return await self._state.run(lambda c: jobs.load(c, predictions, str(row["id"])))
        return current

    async def _list(self, request: Request) -> JSONResponse:
        return JSONResponse(await jobs.list_jobs(self._state, predictions, request, self.show))

    async def _get(self, job_id: str) -> JSONResponse:
        row = await self._state.run(lambda c: jobs.load(c, predictions, job_id))
        return JSONResponse(self.show(row, self._state.clock.now()))

    async def _cancel(self, job_id: str) -> JSONResponse:
        row = await self._state.run(lambda c: jobs.cancel(c, self._state, predictions, job_id))
        self._canceled.add(job_id)
        self._state.wake.set()
        return JSONResponse(self.show(row, self._state.clock.now()))

    # ---- the work ------------------------------------------------------------------------------

    def prepare(self, row: Row) -> asyncio.Task[Row]:
        """Begin to draw, unless that is under way."""
        job_id = str(row["id"])
        task = self._working.get(job_id)
        if task is None:
            task = asyncio.create_task(self._work(row))
            self._working[job_id] = task
            jobs.watch(self._state, self._working, job_id, task)
        return task

    async def _work(self, row: Row) -> Row:
        values: Json = {"error": None, "files": [], "logs": ""}
        drawn: list[Json] = []
        if row["outcome"] == "failed":
            values["error"] = "CUDA error: an illegal memory access was encountered"
        elif row["outcome"] != "aborted":
            try:
                drawn = await self._painter.paint(row, _model(row))
            except BadInput as problem:
                values["error"] = f"Failed to load the input image: {problem}"
            except OSError as problem:  # no room for the output: the job fails, not the sandbox
                values["error"] = f"Failed to store the output: {problem}"
        values["files"] = [one.pop("name") for one in drawn]
        values["logs"] = f"Using seed: {row['input'].get('seed')}\n" + (values["error"] or "")
        values["done_at"] = self._state.clock.now()

        def store(connection: Connection) -> Row:
            if drawn:
                connection.execute(insert(drawn_images).on_conflict_do_nothing(), drawn)
            statement = predictions.update().where(predictions.c.id == row["id"])
            returned = statement.values(values).returning(predictions.c.canceled_at)
            return {**row, **values, "canceled_at": connection.execute(returned).scalar()}

        stored = await self._state.run(store)
        if row["webhook"]:
            self._state.wake.set()
        return stored

    # ---- what is told --------------------------------------------------------------------------

    def show(self, row: Row, now: datetime) -> Json:
        """The prediction object as the API states it at `now`; emptied an hour after its end."""
        shown = jobs.job_json(self._state, "predictions", row, now)
        over = is_over(shown["status"])
        removed = over and removed_at({**row, "vanished": False}, now)
        shown |= {"data_removed": removed, "deadline": None, "deployment": None}
        if removed:
            shown |= {"input": {}, "logs": ""}
        elif shown["status"] == "succeeded":
            job_id = str(row["id"])
            shown["output"] = [output_url(self._state, job_id, name) for name in row["files"]]
        return shown

    def count(self, connection: Connection) -> dict[str, Any]:
        return {"predictions": jobs.statuses(connection, self._state, predictions)}


def _model(row: Row) -> CatalogModel:
    """The model of a prediction; a version that a training made is SDXL with weights."""
    return BY_VERSION.get(str(row["version"]), BY_SLUG["stability-ai/sdxl"])


def _wait_seconds(prefer: str | None) -> float:
    """Seconds to hold the reply: `wait` is a minute, `wait=n` is n within 1 to 60."""
    match = re.search(r"\bwait(?:=(\d+))?", prefer or "")
    if match is None:
        return 0.0
    return LONGEST_WAIT if match[1] is None else max(1.0, min(float(match[1]), LONGEST_WAIT))
