"""Replicate's HTTP API, put together. Belongs here: authentication, account, hardware, secret.

Does not: models, predictions, trainings and files, each in its own replicate_* module.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from vixen_pipeline.sandbox import replicate_files, replicate_models, webhooks
from vixen_pipeline.sandbox.replicate_catalog import HARDWARE
from vixen_pipeline.sandbox.replicate_common import ProblemRoute, fault_response, require_token
from vixen_pipeline.sandbox.replicate_predictions import Predictions
from vixen_pipeline.sandbox.replicate_trainings import Trainings
from vixen_pipeline.sandbox.replicate_worker import Worker
from vixen_pipeline.sandbox.state import SandboxState

PROVIDER = "replicate"


def router(state: SandboxState) -> APIRouter:
    """Everything below the Replicate client's base URL."""
    state.faults.shape(PROVIDER, fault_response)
    predictions = Predictions(state)
    trainings = Trainings(state)
    worker = Worker(state, predictions, trainings, webhooks.Deliverer(state))
    state.workers.append(worker.run)
    state.counts += [predictions.count, trainings.count, webhooks.count_deliveries]
    state.on_reset.append(predictions.forget)
    state.listings["trainings"] = trainings.all

    api = APIRouter(
        prefix="/v1", route_class=ProblemRoute, dependencies=[Depends(require_token(state))]
    )
    replicate_models.add_routes(api, state)
    predictions.add_routes(api)
    trainings.add_routes(api)
    replicate_files.add_routes(api, state)
    _add_small_routes(api, state)

    routes = APIRouter(tags=["replicate"], route_class=ProblemRoute)
    routes.include_router(api)
    replicate_files.add_delivery(routes, state)
    return routes


def _add_small_routes(api: APIRouter, state: SandboxState) -> None:
    async def account() -> JSONResponse:
        owner = {"type": "organization", "username": "vixen", "name": "Vixen", "github_url": None}
        return JSONResponse(owner)

    async def hardware() -> JSONResponse:
        return JSONResponse([{"name": name, "sku": sku} for name, sku in HARDWARE])

    async def secret() -> JSONResponse:
        return JSONResponse({"key": state.config.webhook_secret})

    api.add_api_route("/account", account)
    api.add_api_route("/hardware", hardware)
    api.add_api_route("/webhooks/default/secret", secret)
