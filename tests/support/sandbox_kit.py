"""What sandbox tests share: a web server that keeps what it is sent, and a dataset.

Belongs here: plumbing. Does not: fixtures, assertions.
"""

from __future__ import annotations

import io
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JPEG_START = b"\xff\xd8\xff\xe0"


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


def dataset_zip(count: int = 3) -> bytes:
    """A zip of `count` images, each with its caption."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.jpg", JPEG_START + bytes([number]))
            archive.writestr(f"{number}.txt", f"vxn_luna, shot {number}")
    return buffer.getvalue()
