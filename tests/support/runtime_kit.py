"""`vixen up` as a real process, for tests of the supervisor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
from vixen_testkit import wait_until

from vixen_pipeline.runtime import leftovers

ROOT = Path(__file__).resolve().parents[2]
VIXEN = str(Path(sys.executable).parent / "vixen")


class Up:
    """One `vixen up`. `lines` is everything it has said so far."""

    def __init__(self, home: Path, *options: str, **environment: str) -> None:
        self.home = home.resolve()
        clean = {name: v for name, v in os.environ.items() if not name.startswith("VIXEN_")}
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [VIXEN, "up", *options],
            cwd=ROOT,
            env={**clean, "VIXEN_HOME": str(home), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            self.lines.append(text.rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def ready(self, seconds: float = 120) -> Up:
        wait_until(
            lambda: "Everything is up" in self.text or self.process.poll() is not None,
            seconds=seconds,
        )
        assert "Everything is up" in self.text, self.text
        return self

    def stop(self, number: int = signal.SIGTERM, seconds: float = 60) -> int:
        self.process.send_signal(number)
        return self.ended(seconds)

    def ended(self, seconds: float = 60) -> int:
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def values(self) -> dict[str, str]:
        return json.loads((self.home / "runtime.json").read_text())

    def get(self, name: str, path: str) -> httpx.Response:
        with httpx.Client(trust_env=False, verify=False, timeout=20) as client:
            return client.get(self.values()[f"VIXEN_{name.upper()}_URL"] + path)

    def answers(self, name: str, path: str) -> bool:
        try:
            return self.get(name, path).status_code == 200
        except httpx.HTTPError:
            return False

    def pid_of(self, module: str) -> int | None:
        """Pid of the live child that runs `module`."""
        for process in leftovers.marked(self.home):
            if module in process.cmdline():
                return process.pid
        return None

    def left(self) -> list[str]:
        """Command lines of everything of this instance that still lives."""
        return [" ".join(process.cmdline()) for process in leftovers.marked(self.home)]

    def destroy(self) -> None:
        """After a test, whatever it left: nothing may outlive it."""
        from vixen_pipeline.db import embedded

        if self.process.poll() is None:
            self.process.kill()
        self.ended()
        leftovers.end(leftovers.marked(self.home), grace=1)
        embedded.stop(self.home / "postgres")
