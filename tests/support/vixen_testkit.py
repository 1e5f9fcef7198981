"""What many tests share: real servers in threads, free ports, waiting for a condition.

Belongs here: plumbing. Does not: fixtures (conftest.py), assertions about behaviour.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import uvicorn

V = TypeVar("V")


def listening_socket() -> socket.socket:
    """A bound socket on a free loopback port; pass it to `serve`."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


@contextmanager
def serve(app: Any, sock: socket.socket) -> Generator[str]:
    """Serve an ASGI app on `sock` in a thread; yields its base URL; stops and joins at the end."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive(), seconds=20)
    if not server.started:
        raise RuntimeError("the server did not start")
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


def wait_until(condition: Callable[[], V], *, seconds: float = 30, every: float = 0.02) -> V:
    """Poll `condition` until it is truthy and return its value; TimeoutError after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not true within {seconds} s: {condition}")
        time.sleep(every)


def load_script(path: Path) -> ModuleType:
    """A Python file that tests also run as a process of its own, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def running_script(path: Path, *arguments: str) -> Generator[subprocess.Popen[bytes]]:
    """A test's script as a process of its own, with pipes; killed at the end if it still runs."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, str(path), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
