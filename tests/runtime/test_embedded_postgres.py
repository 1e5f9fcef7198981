"""The embedded server: any folder, any end, any number of callers."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from vixen_pipeline.db import embedded, postgres_files
from vixen_pipeline.errors import Unavailable


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Path]:
    data_dir = tmp_path / 'it\'s a "folder", mine' / "postgres"
    yield data_dir
    embedded.stop(data_dir)


def ask(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None


def test_it_starts_in_a_folder_with_any_name_and_takes_many_connections(folder: Path):
    url = embedded.ensure_running(folder)
    assert ask(url, "SHOW max_connections") == "200"
    assert ask(url, "SHOW listen_addresses") == ""
    assert ask(url, "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'") == 1
    assert ask(url, "SELECT 'ä' < 'b' COLLATE \"C\"") is False
    assert embedded.ensure_running(folder) == url


def test_it_starts_where_the_path_is_too_long_for_a_socket(tmp_path: Path):
    folder = tmp_path / ("long" * 30) / "postgres"
    try:
        assert ask(embedded.ensure_running(folder), "SELECT 1") == 1
    finally:
        embedded.stop(folder)


def test_it_comes_back_after_kill_9_with_everything_that_was_committed(folder: Path):
    url = embedded.ensure_running(folder)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (42)")
    pid = embedded.state(folder).pid
    assert pid is not None
    session = psycopg.connect(url)  # outlives its server for a moment
    session.execute("SELECT 1")
    os.kill(pid, signal.SIGKILL)
    embedded.ensure_running(folder)
    session.close()
    assert ask(url, "SELECT n FROM kept") == 42
    assert embedded.state(folder).pid != pid


def test_a_server_whose_socket_was_removed_is_started_again(folder: Path):
    url = embedded.ensure_running(folder)
    (postgres_files.socket_dir(folder) / ".s.PGSQL.5432").unlink()
    assert not embedded.state(folder).running
    assert embedded.ensure_running(folder) == url
    assert ask(url, "SELECT 1") == 1


def test_a_pid_file_that_names_a_stranger_does_not_stop_it(folder: Path):
    url = embedded.ensure_running(folder)
    pid_file = folder / "postmaster.pid"
    content = pid_file.read_text().splitlines()
    embedded.stop(folder)
    pid_file.write_text("\n".join([str(os.getpid()), *content[1:]]) + "\n")
    assert not embedded.state(folder).running
    assert embedded.ensure_running(folder) == url
    assert ask(url, "SELECT 1") == 1


def test_many_callers_at_once_get_one_server(folder: Path):
    with ThreadPoolExecutor(6) as threads:
        urls = list(threads.map(lambda _: embedded.ensure_running(folder, "vixen"), range(6)))
    assert len(set(urls)) == 1
    assert ask(urls[0], "SELECT count(*) FROM pg_database WHERE datname = 'vixen'") == 1


def test_a_half_made_folder_is_made_anew(folder: Path):
    half = folder.with_name("postgres.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert ask(embedded.ensure_running(folder), "SELECT 1") == 1
    assert not half.exists()


def test_a_folder_of_another_version_is_refused_untouched(folder: Path):
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("16\n")
    with pytest.raises(Unavailable, match="was made by PostgreSQL 16"):
        embedded.ensure_running(folder)
    (folder / "PG_VERSION").unlink()


def test_a_server_that_cannot_start_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(postgres_files._SETTINGS, "shared_buffers", "lots")
    with pytest.raises(Unavailable, match="shared_buffers"):
        embedded.ensure_running(folder)


def test_stopping_twice_or_what_never_was_is_fine(folder: Path):
    embedded.stop(folder)
    embedded.ensure_running(folder)
    embedded.stop(folder)
    embedded.stop(folder)
    assert not embedded.state(folder).running


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_runs_as_an_ordinary_account_too(tmp_path_factory: pytest.TempPathFactory):
    import pwd

    import psutil

    assert psutil.Process().is_running()  # imported before the account changes
    nobody = pwd.getpwnam("nobody")
    base = tmp_path_factory.mktemp("ordinary")
    postgres_files._let_through(base / "x")
    os.chown(base, nobody.pw_uid, nobody.pw_gid)
    process = multiprocessing.get_context("fork").Process(
        target=_start_and_stop_as, args=(nobody.pw_uid, nobody.pw_gid, base / "postgres")
    )
    process.start()
    process.join(60)
    assert process.exitcode == 0


def _start_and_stop_as(uid: int, gid: int, folder: Path) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    assert ask(embedded.ensure_running(folder), "SELECT 1") == 1
    assert (folder / "PG_VERSION").stat().st_uid == uid
    embedded.stop(folder)
