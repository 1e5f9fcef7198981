"""A local HTTP server of a folder, in place of presigned URLs. Belongs here: serving, counting."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class FileServer:
    """`url(name)` is where a file of the folder is; `gets` counts requests by name."""

    address: str
    gets: Counter[str] = field(default_factory=Counter)

    def url(self, name: str, signature: str = "one") -> str:
        return f"{self.address}/{name}?signature={signature}"


@contextmanager
def serving(folder: Path) -> Generator[FileServer]:
    server: FileServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, _, query = self.path.lstrip("/").partition("?")
            server.gets[name] += 1
            if "expired" in query or not (folder / name).is_file():
                self.send_error(403 if "expired" in query else 404)
                return
            data = (folder / name).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if "cut" in query else data)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = FileServer(f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
