"""`vixen up` with real processes: starting, keeping up, stopping, and being killed."""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from runtime_kit import Up
from vixen_testkit import wait_until

from vixen_pipeline.db import embedded

GATEWAY, SANDBOX = "vixen_pipeline.gateway", "vixen_pipeline.sandbox"
Starter = Callable[..., Up]

pytestmark = pytest.mark.long


@pytest.fixture
def start(tmp_path: Path) -> Generator[Starter]:
    """Start `vixen up --no-dagster` in a folder of its own (Dagster has its own test)."""
    started: list[Up] = []

    def starter(**environment: str) -> Up:
        started.append(Up(tmp_path / "home of mine", "--no-dagster", **environment))
        return started[-1]

    yield starter
    for up in started:
        up.destroy()


def server_is_up(home: Path) -> bool:
    return embedded.state(home / "postgres").running


def test_it_refuses_a_second_start_restarts_what_dies_and_stops_with_nothing_left(start: Starter):
    up = start().ready()
    assert up.answers("gateway", "/readyz")
    assert up.answers("sandbox", "/healthz")
    mode = (up.home / "runtime.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600

    second = start()
    assert second.ended() == 5
    assert len(second.lines) == 1, second.text
    assert f"already up in {up.home} (process {up.process.pid}" in second.text
    assert up.answers("gateway", "/healthz")

    first = up.pid_of(GATEWAY)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: up.pid_of(GATEWAY) not in {None, first})
    wait_until(lambda: up.answers("gateway", "/readyz"))
    wait_until(lambda: "gateway ended (killed by SIGKILL), again in 0.5 s" in up.text)

    pid = embedded.state(up.home / "postgres").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "postgres ready again" in up.text)
    wait_until(lambda: up.answers("gateway", "/readyz"))

    assert up.stop(signal.SIGINT) == 0
    assert up.left() == []
    assert not server_is_up(up.home)


def test_after_kill_9_nothing_blocks_the_next_start_and_secrets_are_the_same(start: Starter):
    first = start().ready()
    before = first.values()
    first.stop(signal.SIGKILL)
    second = start().ready()
    after = second.values()
    for name in ("VIXEN_SANDBOX_TOKEN", "VIXEN_REPLICATE_WEBHOOK_SECRETS", "VIXEN_GATEWAY_URL"):
        assert after[name] == before[name], name
    assert second.stop() == 0
    assert second.left() == []


@pytest.mark.skipif(not Path("/proc").exists(), reason="the kernel ends children on Linux only")
def test_children_end_when_their_supervisor_is_killed(start: Starter):
    up = start().ready()
    up.stop(signal.SIGKILL)
    wait_until(lambda: up.left() == [])


def test_a_taken_default_port_is_passed_over_and_a_chosen_one_is_named(start: Starter):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8787))
        except OSError:
            pass  # somebody else has it, which serves as well
        else:
            taken.listen()
        up = start().ready()
        assert up.values()["VIXEN_GATEWAY_URL"] != "http://127.0.0.1:8787"
        assert up.answers("gateway", "/healthz")
        assert up.stop() == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = start(VIXEN_GATEWAY_URL=f"http://127.0.0.1:{port}")
        assert refused.ended() == 2
    assert f"VIXEN_GATEWAY_URL: port {port} on 127.0.0.1 is taken" in refused.text


def test_a_process_that_does_not_start_is_named_with_its_last_lines(start: Starter):
    up = start(VIXEN_REPLICATE_WEBHOOK_SECRETS="whsec_no base64 at all!")
    assert up.ended() == 6
    assert "gateway ended while starting (exit code 2). Its last lines:" in up.text
    assert "key 1 is not whsec_ followed by base64" in up.text
    assert up.left() == []
    assert not server_is_up(up.home)


def test_missing_settings_are_all_named_before_anything_starts(start: Starter):
    up = start(VIXEN_REPLICATE_MODE="live", VIXEN_ANTHROPIC_MODE="live")
    assert up.ended() == 2
    for name in ("REPLICATE_API_TOKEN", "REPLICATE_WEBHOOK_SECRETS", "ANTHROPIC_API_KEY"):
        assert f"VIXEN_{name} is needed" in up.text
    assert not (up.home / "postgres").exists()


def test_it_can_be_stopped_while_it_starts(start: Starter):
    up = start()
    wait_until(lambda: "postgres ready" in up.text)
    up.stop()
    assert up.left() == []
    assert not server_is_up(up.home)


def test_what_keeps_dying_is_given_up_loudly(start: Starter):
    up = start().ready()

    def killed_again() -> bool:
        pid = up.pid_of(SANDBOX)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        return up.process.poll() is not None

    wait_until(killed_again, seconds=120, every=0.1)
    assert up.ended() == 6
    assert "sandbox keeps dying (killed by SIGKILL)" in up.text
    assert up.left() == []
