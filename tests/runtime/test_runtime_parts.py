"""The parts of the supervisor that need no processes."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vixen_pipeline.errors import Busy, InvalidInput
from vixen_pipeline.runtime import child
from vixen_pipeline.runtime.addresses import (
    choose_addresses,
    is_free,
    next_free,
    runtime_values,
    write_runtime,
)
from vixen_pipeline.runtime.deaths import GIVE_UP_AFTER, MAX_DELAY_S, Deaths
from vixen_pipeline.runtime.uplock import UpLock, holder
from vixen_pipeline.settings import load_settings, read_runtime


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("VIXEN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("VIXEN_HOME", str(tmp_path))


def test_the_lock_names_its_holder_and_is_free_again_after(tmp_path: Path):
    lock = UpLock(tmp_path)
    assert holder(tmp_path) is None
    lock.acquire()
    assert holder(tmp_path) == os.getpid()
    with pytest.raises(Busy, match=f"process {os.getpid()}"):
        UpLock(tmp_path).acquire()
    lock.release()
    assert holder(tmp_path) is None
    UpLock(tmp_path).acquire()


def test_a_lock_file_left_by_a_dead_process_does_not_block(tmp_path: Path):
    (tmp_path / "up.lock").write_text(json.dumps({"pid": 1}))
    assert holder(tmp_path) is None
    UpLock(tmp_path).acquire()


def test_a_taken_port_is_passed_over(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        assert next_free("127.0.0.1", port, {port + 1}) not in {port, port + 1}


def test_two_servers_never_get_one_port(monkeypatch: pytest.MonkeyPatch):
    settings = load_settings(
        gateway_url="http://127.0.0.1:9700",
        sandbox_url="http://127.0.0.1:9700",
        dagster_url="http://127.0.0.1:9700",
    )
    chosen = choose_addresses(settings)
    assert len({chosen.gateway.port, chosen.sandbox.port, chosen.dagster.port}) == 3
    monkeypatch.setenv("VIXEN_GATEWAY_URL", "http://127.0.0.1:9700")
    monkeypatch.setenv("VIXEN_SANDBOX_URL", "http://127.0.0.1:9700")
    with pytest.raises(InvalidInput) as caught:
        choose_addresses(load_settings())
    assert "VIXEN_SANDBOX_URL" in caught.value.problems[0]


def test_generated_secrets_are_kept_private_and_reused(tmp_path: Path):
    settings = load_settings()
    values = runtime_values(settings, choose_addresses(settings), tmp_path)
    write_runtime(tmp_path, values)
    path = tmp_path / "runtime.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = runtime_values(settings, choose_addresses(settings), tmp_path)
    assert {k: v for k, v in again.items() if "URL" not in k} == {
        k: v for k, v in values.items() if "URL" not in k
    }
    token = load_settings().sandbox_token
    assert token is not None
    assert token.get_secret_value() == read_runtime(tmp_path)["VIXEN_SANDBOX_TOKEN"]
    assert values["VIXEN_REPLICATE_WEBHOOK_SECRETS"].count("_") == 1


def test_a_secret_that_is_set_is_never_generated_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VIXEN_SANDBOX_TOKEN", "mine")
    settings = load_settings(replicate_mode="live")
    values = runtime_values(settings, choose_addresses(settings), tmp_path)
    assert "VIXEN_SANDBOX_TOKEN" not in values
    assert "VIXEN_REPLICATE_WEBHOOK_SECRETS" not in values


@given(st.lists(st.floats(0, 300), min_size=1, max_size=40))
def test_the_wait_is_bounded_and_ends_only_after_quick_deaths(gaps: list[float]):
    deaths, now, times = Deaths(), 0.0, []
    for gap in gaps:
        now += gap
        times.append(now)
        delay = deaths.record("x", now)
        quick = [at for at in times if now - at < 60]
        assert (delay is None) == (len(quick) >= GIVE_UP_AFTER)
        if delay is None:
            return
        assert 0 < delay <= MAX_DELAY_S
        assert not deaths.due("x", now + delay - 0.01)
        assert deaths.due("x", now + delay)
        assert not deaths.waiting("x")


def test_a_log_is_capped_while_its_writer_keeps_its_handle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(child, "MAX_LOG_BYTES", 1000)
    log = tmp_path / "x.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 1500)
        child.cap(log)
        writer.write(b"after\n")
    assert log.read_bytes() == b"after\n"
    assert (tmp_path / "x.log.1").stat().st_size == 1500


def test_last_lines_are_of_this_start_readable_and_without_secrets(tmp_path: Path):
    log = tmp_path / "x.log"
    record = json.dumps({"event": "it broke\nat line 3", "level": "error"})
    log.write_text(
        f"--- x starts 1\nold\n--- x starts 2\n{record}\nkey is whsec_abcdefgh1234 ok\n\n"
    )
    assert child.tail(log, since="--- x starts ") == ["it broke", "key is [redacted] ok"]
