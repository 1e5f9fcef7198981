"""Clients and helpers for the sandbox's own tests."""

from __future__ import annotations

from collections.abc import Callable, Generator
from threading import Thread

import pytest
import replicate
from replicate.client import Client
from sandbox_kit import Receiver, dataset_zip

from vixen_pipeline.sandbox.testing import Sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    """The unmodified official SDK."""
    return replicate.Client(api_token=sandbox.token, base_url=sandbox.replicate_url)


@pytest.fixture
def receiver() -> Generator[Receiver]:
    server = Receiver()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def train(client: Client, receiver: Receiver) -> Callable[..., dict[str, object]]:
    """Start a training of the SDXL trainer and return its raw object."""
    receiver.files["/set.zip"] = dataset_zip()
    version = client.models.get("stability-ai/sdxl").latest_version
    assert version is not None

    def start(**changes: object) -> dict[str, object]:
        owner, name = "vixen", "luna"
        made = client._client.get(f"/v1/models/{owner}/{name}")
        if made.status_code == 404:
            client.models.create(owner, name, visibility="private", hardware="gpu-l40s")
        given = {"input_images": f"{receiver.url}/set.zip", "token_string": "vxn_luna", "seed": 7}
        body = {"destination": f"{owner}/{name}", "input": given, **changes}
        path = f"/v1/models/stability-ai/sdxl/versions/{version.id}/trainings"
        response = client._client.post(path, json=body)
        assert response.status_code == 201, response.text
        return response.json()

    return start
