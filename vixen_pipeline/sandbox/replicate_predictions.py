"""Predictions: created with or without waiting, drawn on threads, listed with their input.

Belongs here: a prediction's life. Does not: pixels (drawing.py), webhooks (replicate_worker.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from vixen_pipeline.sandbox import replicate_jobs as jobs
from vixen_pipeline.sandbox.drawing import Order, draw
from vixen_pipeline.sandbox.drawing_look import (
    Look,
    look_from_pixels,
    look_from_prompt,
    stranger_to,
)
from vixen_pipeline.sandbox.drawing_pool import PreDrawn
from vixen_pipeline.sandbox.replicate_catalog import (
    PREDICTION_BILLED_SECONDS,
    CatalogModel,
    input_problems,
)
from vixen_pipeline.sandbox.replicate_common import Json, Problem, json_body
from vixen_pipeline.sandbox.replicate_files import BadInput, fetch_input, folder, output_url
from vixen_pipeline.sandbox.replicate_models import resolve
from vixen_pipeline.sandbox.replicate_tables import (
    Row,
    ends_at,
    is_over,
    predictions,
    removed_at,
    status_at,
)
from vixen_pipeline.sandbox.state import SandboxState, drawn_images

KINDS = ("stranger", "duplicate", "blurry", "nsfw")
LONGEST_WAIT = 60.0


class Predictions:
    """The predictions of one sandbox."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._working: dict[str, asyncio.Task[None]] = {}
        self._last: dict[str, Order] = {}  # what was drawn last of a person, for `duplicate`
        self._predrawn = PreDrawn()

    def add_routes(self, api: APIRouter) -> None:
        api.add_api_route("/predictions", self._create, methods=["POST"])
        api.add_api_route("/models/{owner}/{name}/predictions", self._create_for, methods=["POST"])
        api.add_api_route("/predictions", self._list, methods=["GET"])
        api.add_api_route("/predictions/{job_id}", self._get, methods=["GET"])
        api.add_api_route("/predictions/{job_id}/cancel", self._cancel, methods=["POST"])

    def forget(self, _: Connection) -> None:
        """Part of a reset: what memory holds goes too."""
        self._last.clear()
        self._predrawn.forget()

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
        waited_in_vain = wait > 0 and not is_over(shown["status"])
        return JSONResponse(shown, 202 if waited_in_vain else 201)

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

    async def _wait(self, row: Json, task: asyncio.Task[None], seconds: float) -> Row:
        """Hold the reply until the prediction is over, `seconds` at most."""
        limit = self._state.clock.now() + timedelta(seconds=seconds)
        try:
            await asyncio.wait_for(asyncio.shield(task), seconds)
        except TimeoutError:
            return row
        current = await self._state.run(lambda c: jobs.load(c, predictions, str(row["id"])))
        now = self._state.clock.now()
        remaining = (min(ends_at(current), limit) - now).total_seconds()
        if remaining > 0 and not is_over(status_at(current, now)):
            await asyncio.sleep(remaining)
            current = await self._state.run(lambda c: jobs.load(c, predictions, str(row["id"])))
        return current

    async def _list(self, request: Request) -> JSONResponse:
        return JSONResponse(await jobs.list_jobs(self._state, predictions, request, self.show))

    async def _get(self, job_id: str) -> JSONResponse:
        row = await self._state.run(lambda c: jobs.load(c, predictions, job_id))
        return JSONResponse(self.show(row, self._state.clock.now()))

    async def _cancel(self, job_id: str) -> JSONResponse:
        row = await self._state.run(lambda c: jobs.cancel(c, self._state, predictions, job_id))
        self._state.wake.set()
        return JSONResponse(self.show(row, self._state.clock.now()))

    # ---- the work ------------------------------------------------------------------------------

    def prepare(self, row: Row) -> asyncio.Task[None]:
        """Begin to draw, unless that is under way."""
        job_id = str(row["id"])
        task = self._working.get(job_id)
        if task is None:
            task = asyncio.create_task(self._work(row))
            self._working[job_id] = task
            jobs.watch(self._state, self._working, job_id, task)
        return task

    async def _work(self, row: Row) -> None:
        values: Json = {"error": None, "files": [], "logs": ""}
        drawn: list[Json] = []
        if row["outcome"] == "failed":
            values["error"] = "CUDA error: an illegal memory access was encountered"
        elif row["outcome"] != "aborted":
            try:
                drawn = await self._draw(row)
            except BadInput as problem:
                values["error"] = f"Failed to load the input image: {problem}"
            except OSError as problem:  # no room for the output: the job fails, not the sandbox
                values["error"] = f"Failed to store the output: {problem}"
        values["files"] = [one.pop("name") for one in drawn]
        values["logs"] = f"Using seed: {row['input'].get('seed')}\n" + (values["error"] or "")
        values["done_at"] = self._state.clock.now()

        def store(connection: Connection) -> None:
            if drawn:
                connection.execute(insert(drawn_images).on_conflict_do_nothing(), drawn)
            where = predictions.c.id == row["id"]
            connection.execute(predictions.update().where(where).values(values))

        await self._state.run(store)
        if row["webhook"]:
            self._state.wake.set()

    async def _draw(self, row: Row) -> list[Json]:
        """Draw the outputs and write them; rows for `drawn_images`, each with its file `name`."""
        given: Json = row["input"]
        model = await self._state.run(lambda c: resolve(c, self._state, str(row["version"]))[2])
        look, person = await self._look(given, model)
        found: list[Json] = []
        for index in range(int(given.get("num_outputs") or 1)):
            order = self._order(row, look, person, index)
            name = f"out-{index}.{order.format}"
            path = folder(self._state) / str(row["id"]) / name
            pooled = self._state.controls.predrawn and order.kind == "portrait"

            mark = f"{row['id']}-{index}"

            def paint(
                order: Order = order, pooled: bool = pooled, path: Path = path, mark: str = mark
            ) -> Json:
                if pooled:
                    content, shown = self._predrawn.take(order, person, mark)
                else:
                    content, shown = draw(order), order.look
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                sha256 = hashlib.sha256(content).hexdigest()
                return {"sha256": sha256, "look": shown.as_json(), "kind": order.kind}

            loop = asyncio.get_running_loop()
            painted = await loop.run_in_executor(self._state.painters, paint)
            found.append({**painted, "name": name})
        return found

    async def _look(self, given: Json, model: CatalogModel) -> tuple[Look, str]:
        """Who is to be drawn, and a key of that person."""
        prompt = str(given.get("prompt") or "")
        if model.reference is None:
            look = look_from_prompt(prompt)
            return look, f"{look.key}{prompt}"
        content = await fetch_input(self._state, str(given[model.reference]))
        sha256 = hashlib.sha256(content).hexdigest()
        known = await self._state.drawn(sha256)
        if known is not None:
            return Look.from_json(known[0]), sha256
        loop = asyncio.get_running_loop()
        look = await loop.run_in_executor(self._state.painters, look_from_pixels, content)
        if look is None:
            raise BadInput("No face detected: the input is not an image")
        return look, sha256

    def _order(self, row: Row, look: Look, person: str, index: int) -> Order:
        given: Json = row["input"]
        seed = given.get("seed")
        if seed is None:
            seed = int.from_bytes(hashlib.sha256(str(row["id"]).encode()).digest()[:4], "big")
        kind = str(row["kind"])
        order = Order(
            prompt=str(given.get("prompt") or ""),
            seed=int(seed) + index,
            width=int(given.get("width") or 1024),
            height=int(given.get("height") or 1024),
            look=stranger_to(look, int(seed)) if kind == "stranger" else look,
            format=str(given.get("output_format") or "jpg"),
            quality=int(given.get("output_quality") or 90),
            kind=kind,
        )
        last = self._last.get(person)
        if kind == "duplicate" and last is not None:
            return last.again(str(row["id"]))
        self._last[person] = order
        return order

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


def _wait_seconds(prefer: str | None) -> float:
    """Seconds to hold the reply: `wait` is a minute, `wait=n` is n within 1 to 60."""
    match = re.search(r"\bwait(?:=(\d+))?", prefer or "")
    if match is None:
        return 0.0
    return LONGEST_WAIT if match[1] is None else max(1.0, min(float(match[1]), LONGEST_WAIT))
