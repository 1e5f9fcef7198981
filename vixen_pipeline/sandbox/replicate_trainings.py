"""Trainings: created, listed, canceled; the dataset really fetched and looked into.

Belongs here: the trainer's life. Does not: weights (weights.py), webhooks (replicate_worker.py).
"""

from __future__ import annotations

import asyncio
import io
import random
import zipfile
from datetime import datetime
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection, select

from vixen_pipeline.sandbox import lora_learnt
from vixen_pipeline.sandbox import replicate_jobs as jobs
from vixen_pipeline.sandbox.replicate_catalog import (
    BY_SLUG,
    TRAINING_BILLED_SECONDS,
    input_problems,
)
from vixen_pipeline.sandbox.replicate_common import Json, Problem, json_body
from vixen_pipeline.sandbox.replicate_files import BadInput, fetch_input, output_url
from vixen_pipeline.sandbox.replicate_models import find, trained_version
from vixen_pipeline.sandbox.replicate_tables import Row, read_rows, status_at, trainings
from vixen_pipeline.sandbox.state import SandboxState

_IMAGE_NAMES = (".jpg", ".jpeg", ".png", ".webp")
_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
_WEIGHT_FAULTS = ("truncated", "wrong_family", "html", "stranger", "same", "memorised")


class Trainings:
    """The trainings of one sandbox."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._preparing: dict[str, asyncio.Task[Any]] = {}

    def add_routes(self, api: APIRouter) -> None:
        path = "/models/{owner}/{name}/versions/{version}/trainings"
        api.add_api_route(path, self._create, methods=["POST"])
        api.add_api_route("/trainings", self._list, methods=["GET"])
        api.add_api_route("/trainings/{job_id}", self._get, methods=["GET"])
        api.add_api_route("/trainings/{job_id}/cancel", self._cancel, methods=["POST"])

    async def _create(self, owner: str, name: str, version: str, request: Request) -> JSONResponse:
        body = await json_body(request)
        row = self._new(f"{owner}/{name}", version, body)
        await self._state.run(lambda c: self._insert(c, row))
        orders = self._state.controls
        await lora_learnt.begin_result(self._state, row["id"], orders.training_checkpoints)
        self.prepare(row)
        if row["webhook"]:
            self._state.wake.set()
        return JSONResponse(self.show({**row, "done_at": None}, self._state.clock.now()), 201)

    def _new(self, slug: str, version: str, body: Json) -> Json:
        """The row of a training that may begin; Problem when it may not."""
        model = BY_SLUG.get(slug)
        if model is None or model.version != version or model.training is None:
            raise Problem(404, "The requested resource could not be found.")
        given = body.get("input")
        problems = ["- input is required"] if not isinstance(given, dict) else []
        destination = body.get("destination")
        if not isinstance(destination, str) or destination.count("/") != 1:
            problems.append("- destination: Must be an existing model, in the form owner/name")
        if isinstance(given, dict):
            problems += input_problems(cast("Json", given), model.training, model.training_required)
        if problems:
            raise Problem(422, "\n".join(problems))
        orders, route = self._state.controls, f"POST /v1/models/{slug}/versions/{version}/trainings"
        faults = self._state.faults
        outcome, damage = orders.training_outcome, orders.training_weights
        if faults.take("replicate", "fail", route):
            outcome = "failed"
        if faults.take("replicate", "abort", route):
            outcome = "aborted"
        for kind in _WEIGHT_FAULTS:
            damage = kind if faults.take("replicate", kind, route) else damage
        return jobs.new_job(
            self._state,
            slug,
            version,
            body["input"],
            seconds=orders.training_seconds,
            outcome=outcome,
            weights=damage,
            destination=destination,
            predict_time=TRAINING_BILLED_SECONDS + round(random.uniform(-20, 20), 3),
            canceled_at=None,
            error=None,
            logs="",
            vanished=False,
            **jobs.webhook_columns(body),
        )

    def _insert(self, connection: Connection, row: Json) -> None:
        owner, _, name = str(row["destination"]).partition("/")
        try:
            find(connection, owner, name)
        except Problem:
            detail = "The specified training destination does not exist"
            raise Problem(404, detail, "Destination not found") from None
        connection.execute(trainings.insert().values(row))

    async def _list(self, request: Request) -> JSONResponse:
        return JSONResponse(await jobs.list_jobs(self._state, trainings, request, self.show))

    async def _get(self, job_id: str) -> JSONResponse:
        row = await self._state.run(lambda c: jobs.load(c, trainings, job_id))
        return JSONResponse(self.show(row, self._state.clock.now()))

    async def _cancel(self, job_id: str) -> JSONResponse:
        row = await self._state.run(lambda c: jobs.cancel(c, self._state, trainings, job_id))
        self._state.wake.set()
        return JSONResponse(self.show(row, self._state.clock.now()))

    # ---- the work ------------------------------------------------------------------------------

    def prepare(self, row: Row) -> None:
        """Begin to fetch the dataset, unless that is under way."""
        job_id = str(row["id"])
        if job_id not in self._preparing:
            task = asyncio.create_task(self._prepare(row))
            self._preparing[job_id] = task
            jobs.watch(self._state, self._preparing, job_id, task)

    async def _prepare(self, row: Row) -> None:
        """Fetch and look into the dataset; what is found decides the end of the training."""
        given: Json = row["input"]
        error, log = None, ""
        try:
            content = await fetch_input(self._state, str(given["input_images"]))
            count = await asyncio.to_thread(count_images, content)
            learnt = await lora_learnt.learn(self._state, content)
            await lora_learnt.keep_result(self._state, str(row["id"]), learnt)
            log = _log(count, given)
        except BadInput as problem:
            error = f"Failed to prepare the training data: {problem}"
            log = f"Downloading input_images\n{error}\n"
        if error is None and row["outcome"] == "failed":
            error = "CUDA out of memory. Tried to allocate 2.50 GiB"
            log += f"{error}\n"
        values = {"done_at": self._state.clock.now(), "error": error, "logs": log}
        statement = trainings.update().where(trainings.c.id == row["id"]).values(values)
        await self._state.run(lambda c: c.execute(statement) and None)
        if row["webhook"]:
            self._state.wake.set()

    # ---- what is told --------------------------------------------------------------------------

    def show(self, row: Row, now: datetime) -> Json:
        """The training object as the API states it at `now`."""
        shown = jobs.job_json(self._state, "trainings", row, now)
        shown["destination"] = row["destination"]
        if status_at(row, now) == "succeeded":
            version = trained_version(str(row["id"]))
            shown["output"] = {
                "version": f"{row['destination']}:{version}",
                "weights": output_url(self._state, str(row["id"]), "trained_model.tar"),
            }
        return shown

    def count(self, connection: Connection) -> dict[str, Any]:
        return {"trainings": jobs.statuses(connection, self._state, trainings)}

    def all(self, connection: Connection) -> list[Json]:
        """Every training, oldest first."""
        rows = read_rows(connection, select(trainings).order_by(trainings.c.seq))
        return [self.show(row, self._state.clock.now()) for row in rows]


def count_images(content: bytes) -> int:
    """How many images a dataset zip holds. Raises BadInput that says what is wrong with it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            broken = archive.testzip()
            if broken is not None:
                raise BadInput(f"{broken} in the zip is damaged")
            names = [n for n in archive.namelist() if n.lower().endswith(_IMAGE_NAMES)]
            for name in names:
                with archive.open(name) as member:
                    if not member.read(4).startswith(_IMAGE_STARTS):
                        raise BadInput(f"{name} in the zip is not an image")
    except zipfile.BadZipFile as error:
        raise BadInput(f"input_images is not a zip file ({error})") from error
    if not names:
        raise BadInput("the zip holds no images")
    return len(names)


def _log(count: int, given: Json) -> str:
    steps = given.get("max_train_steps") or 1000
    token = given.get("token_string") or "TOK"
    return (
        f"Downloading input_images\nFound {count} images\nTraining {token} for {steps} steps\n"
        f"100%|██████████| {steps}/{steps} [26:31<00:00,  1.59s/it]\n"
        "Saving final model for return\n"
    )
