"""PostgreSQL is killed while a provider is being called: nothing is lost, nothing happens twice."""

from __future__ import annotations

import threading
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from vixen_pipeline.clock import SystemClock
from vixen_pipeline.db import embedded, migrate
from vixen_pipeline.db.session import Database
from vixen_pipeline.effects import Accepted, Effect, Effects, Intent, Outcome
from vixen_pipeline.effects import service as effects_service
from vixen_pipeline.errors import Unavailable
from vixen_pipeline.locks import ProcessLocks
from vixen_pipeline.settings import load_settings


class Server:
    """A PostgreSQL of the test's own, to be killed."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.url = embedded.ensure_running(data_dir)
        migrate.upgrade(self.url)

    def kill(self) -> None:
        """SIGKILL to the server and all its sessions; returns when none is left."""
        postmaster = psutil.Process(int((self.data_dir / "postmaster.pid").read_text().split()[0]))
        processes = [postmaster, *postmaster.children()]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=10)

    def start(self) -> None:
        embedded.ensure_running(self.data_dir)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    server = Server(tmp_path_factory.mktemp("killed") / "data")
    yield server
    embedded.stop(server.data_dir)


@pytest.fixture
def effects(server: Server) -> Generator[Effects]:
    server.start()
    database = Database(server.url)
    locks = ProcessLocks(database)
    yield Effects(database, locks, SystemClock(), load_settings(reconcile_grace_s=60))
    locks.close()
    database.dispose()


def _intend(effects: Effects, key: str) -> Effect:
    (effect,) = effects.intend([Intent("k", key, "fake", {}, None, timedelta(hours=1))])
    return effect


def _never(_: Effect) -> Outcome:
    raise AssertionError("must not be called")


def test_an_answer_is_kept_when_the_server_comes_back_soon(
    server: Server, effects: Effects
) -> None:
    restarting = threading.Thread(target=server.start)

    def call(_: Effect) -> Outcome:
        server.kill()
        restarting.start()
        return Accepted("r-1")

    performed = effects.perform(_intend(effects, "soon"), call, _never)
    restarting.join()
    assert (performed.state, performed.remote_id) == ("dispatched", "r-1")


def test_an_answer_that_could_not_be_kept_is_read_back_later(
    server: Server, effects: Effects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects_service, "SAVE_WAITS_S", (0.01,))
    at_provider: list[str] = []

    def call(_: Effect) -> Outcome:
        at_provider.append("r-2")
        server.kill()
        return Accepted("r-2")

    effect = _intend(effects, "late")
    with pytest.raises(Unavailable, match="the database does not answer"):
        effects.perform(effect, call, _never)
    with pytest.raises(Unavailable):
        effects.perform(effect, _never, _never)
    server.start()
    performed = effects.perform(effect, _never, lambda _: Accepted(at_provider[0]))
    assert (performed.state, performed.remote_id) == ("dispatched", "r-2")
    assert at_provider == ["r-2"]


def test_a_server_that_dies_before_the_dispatch_means_no_call(
    server: Server, effects: Effects
) -> None:
    effect = _intend(effects, "before")
    server.kill()
    with pytest.raises(Unavailable):
        effects.perform(effect, _never, _never)
    server.start()
    performed = effects.perform(effect, lambda _: Accepted("r-3"), _never)
    assert performed.attempts == 1
