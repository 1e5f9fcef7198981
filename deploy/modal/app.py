"""The Modal app: `modal deploy deploy/modal/app.py`. Belongs here: images, GPU, ledger, wiring.

Does not: what runs (vixen_inference). Two functions: a small web server that many requests share,
and the GPU that draws, which sleeps when nothing is asked. The web server notes in a Modal Dict
which request runs where; answers are what Modal keeps of a finished run. Both last seven days.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import modal

PROJECT = Path(__file__).resolve().parent.parent.parent
MODELS = "/models"
GPU = "L40S"
RUN_S = 900
"""A call of 64 images takes about 5 minutes; the rest is for fetching weights."""
WEB_S = 3600
"""A web request lives on behind Modal's 303 while its run queues for a GPU and works."""

app = modal.App("vixen-inference")
claims = modal.Dict.from_name("vixen-inference-claims", create_if_missing=True)


def _fetch_models() -> None:
    from vixen_inference.model import fetch

    fetch(Path(MODELS))


def _above_the_models(path: Path) -> bool:
    return path.name not in ("__init__.py", "model.py")


image = (
    modal.Image.debian_slim(python_version="3.11")
    .pip_install_from_requirements(
        str(PROJECT / "requirements-inference.lock"), extra_options="--no-deps --require-hashes"
    )
    .env({"HF_HUB_DISABLE_TELEMETRY": "1"})
    .add_local_python_source("vixen_inference", copy=True, ignore=_above_the_models)
    .run_function(_fetch_models)
    .add_local_python_source("vixen_inference")
)


@app.cls(
    image=image,
    gpu=GPU,
    cpu=4,
    memory=24 * 1024,
    timeout=RUN_S,
    startup_timeout=600,
    scaledown_window=120,
    retries=0,  # a run is begun again by whoever asks again, and by nobody else
)
class Renderer:
    """A GPU with the base model loaded."""

    @modal.enter()
    def load(self) -> None:
        import torch

        from vixen_inference.inference import Studio
        from vixen_inference.model import described, load
        from vixen_inference.weights import WeightsCache

        pipeline, checker = load(Path(MODELS), "cuda")
        gpu = torch.cuda.get_device_name(0).split()[-1]
        model = described(Path(MODELS), gpu)
        self._studio = Studio(pipeline, checker, WeightsCache(Path("/tmp/weights")), model)

    @modal.method()
    def render(self, body: dict[str, Any], attempt: str) -> dict[str, Any]:
        from vixen_inference.calls import work

        call = modal.current_function_call_id()
        if call is None:
            raise RuntimeError("a run needs the id of its call")
        return work(body, attempt, call, _claim, self._studio.render)


def _claim(key: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    claims.put(key, dict(value), skip_if_exists=True)
    found: Mapping[str, Any] = claims[key]
    return found


class DictLedger:
    """The ledger over a Modal Dict."""

    async def put_if_absent(self, key: str, value: Mapping[str, Any]) -> bool:
        return await claims.put.aio(key, dict(value), skip_if_exists=True)

    async def get(self, key: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = await claims.get.aio(key)
        return found


class SpawnRunner:
    """Runs as Modal function calls."""

    async def start(self, body: Mapping[str, Any], attempt: str) -> str:
        call = await Renderer().render.spawn.aio(dict(body), attempt)
        return call.object_id

    async def wait(self, call: str, seconds: float) -> dict[str, Any] | None:
        from vixen_inference.calls import RunFailed

        errors = modal.exception
        try:
            found = await modal.FunctionCall.from_id(call).get.aio(timeout=seconds)
        except (
            errors.FunctionTimeoutError,
            errors.OutputExpiredError,
            errors.NotFoundError,
            errors.RemoteError,
            errors.InputCancellation,
            errors.InternalFailure,
        ) as error:
            raise RunFailed(type(error).__name__) from error
        except (errors.TimeoutError, TimeoutError):
            return None
        answer: dict[str, Any] = found
        return answer


@app.function(image=image, cpu=1, memory=2048, timeout=WEB_S, scaledown_window=300)
@modal.concurrent(max_inputs=200)
@modal.asgi_app(label="vixen-inference", requires_proxy_auth=True)
def web() -> Any:
    """The endpoint: VIXEN_MODAL_ENDPOINT_URL is its address."""
    from vixen_inference.calls import Calls
    from vixen_inference.model import described
    from vixen_inference.web import web_app

    return web_app(Calls(DictLedger(), SpawnRunner()), lambda: described(Path(MODELS), GPU))
