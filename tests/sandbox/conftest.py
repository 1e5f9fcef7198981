"""Clients and helpers for the sandbox's own tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import replicate
from replicate.client import Client

from vixen_pipeline.sandbox.testing import Sandbox

JPEG_START = b"\xff\xd8\xff\xe0"


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    """The unmodified official SDK."""
    return replicate.Client(api_token=sandbox.token, base_url=sandbox.replicate_url)


class Receiver(ThreadingHTTPServer):
    """A web server that answers GET with `files` and keeps what is POSTed to it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []  # statuses of the next POSTs; then 200
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_GET(self) -> None:
        content = self.server.files.get(self.path.partition("?")[0])
        self.send_response(200 if content is not None else 404)
        self.end_headers()
        self.wfile.write(content or b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.posts.append((headers, body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Generator[Receiver]:
    server = Receiver()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def dataset_zip(count: int = 3) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.jpg", JPEG_START + bytes([number]))
            archive.writestr(f"{number}.txt", f"vxn_luna, shot {number}")
    return buffer.getvalue()


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
