"""PostgreSQL 18 with pgvector from a wheel, under `.vixen/postgres`: no install, no port.

It listens on a unix socket only, so it cannot clash with another server. The server outlives the
command that started it, so that `vixen db url` gives an address that works; `stop` ends it.

Belongs here: making, starting, finding and stopping one server. Does not: schemas, roles, which
databases an instance needs (runtime/databases.py), accounts and permissions (db/postgres_files).
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from vixen_pipeline.db import postgres_files as files
from vixen_pipeline.errors import Unavailable

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 30
ORPHAN_TIMEOUT_S = 10
SOCKET_TIMEOUT_S = 5.0
MAX_LOG_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class ServerState:
    """What is known of the server in a folder, without starting it."""

    initialized: bool
    pid: int | None
    running: bool
    """It lives and its socket is there."""
    log: Path


def url_for(data_dir: Path, database: str = "vixen") -> str:
    """The address of `database` on the server of `data_dir`, whether it runs or not."""
    host = quote(str(files.socket_dir(data_dir.resolve())), safe="/")
    return f"postgresql://postgres@/{database}?host={host}&port={files.PORT}"


def ensure_running(data_dir: Path, database: str = "vixen") -> str:
    """Make and start the server if needed, create `database` if needed; return its URL.

    Safe to call from many processes at once. Raises Unavailable with the server's own last words.
    """
    import psycopg

    url = url_for(data_dir, database)
    try:
        psycopg.connect(url, connect_timeout=5).close()
        return url
    except psycopg.OperationalError:
        start(data_dir)
    create_database(url_for(data_dir, "postgres"), database)
    return url


def start(data_dir: Path) -> int:
    """Start the server of `data_dir` unless it runs, making it first if new; return its pid."""
    data_dir = data_dir.resolve()
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with _lock(data_dir):
        pid = _postmaster(data_dir)
        if pid is not None and _has_socket(data_dir, within=SOCKET_TIMEOUT_S):
            _wait_until_ready(data_dir, lambda: _postmaster(data_dir) is not None)
            return pid
        if pid is not None:
            _stop_running(data_dir)  # somebody removed its socket: nobody can reach it any more
        while True:
            try:
                return _start_stopped(data_dir)
            except Unavailable:
                # Somebody closed a folder above meanwhile (pytest does, for its own): open it.
                if not files.reopen_path(data_dir):
                    raise


def _start_stopped(data_dir: Path) -> int:
    account = files.account_for(data_dir)
    if not (data_dir / "PG_VERSION").exists():
        _initialize(data_dir, account)
    files.check_version(data_dir)
    _clear_after_crash(data_dir)
    files.write_configuration(data_dir, account)
    return _launch(data_dir, account)


def stop(data_dir: Path) -> None:
    """Stop the server of `data_dir`: sessions end, data are flushed; returns when it is down."""
    data_dir = data_dir.resolve()
    if not data_dir.exists():
        return
    with _lock(data_dir):
        if _postmaster(data_dir) is not None:
            _stop_running(data_dir)


def _stop_running(data_dir: Path) -> None:
    """INT ends the sessions and flushes; QUIT, if that takes too long, leaves it to recovery."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        pid = _postmaster(data_dir)
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        end = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < end:
            if _postmaster(data_dir) is None:
                return
            time.sleep(0.02)
    raise _failure(data_dir, "does not stop")


def state(data_dir: Path) -> ServerState:
    """Whether the server of `data_dir` exists and runs. Starts nothing."""
    data_dir = data_dir.resolve()
    initialized = (data_dir / "PG_VERSION").exists()
    pid = _postmaster(data_dir) if initialized else None
    reachable = pid is not None and _has_socket(data_dir)
    return ServerState(initialized, pid, reachable, log_path(data_dir))


def log_path(data_dir: Path) -> Path:
    """Where the server of `data_dir` writes what it has to say."""
    return data_dir.parent / "logs" / "postgres.log"


def create_database(admin_url: str, name: str, *, template: str | None = None) -> None:
    """Create database `name` if it does not exist. `admin_url` names any database of the server."""
    import psycopg
    from psycopg import errors, sql

    url = admin_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if found.fetchone() is None:
            statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            if template is not None:
                statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
            try:
                connection.execute(statement)
            except (errors.DuplicateDatabase, errors.UniqueViolation):
                return  # another process created it between the two statements


@contextmanager
def _lock(data_dir: Path) -> Generator[None]:
    """One process at a time starts or stops the server of `data_dir`."""
    path = data_dir.with_name(data_dir.name + ".lock")
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _initialize(data_dir: Path, account: files.Account | None) -> None:
    """Make the data folder beside its final place, so that a kill leaves no half-made one."""
    new = data_dir.with_name(data_dir.name + ".new")
    files.make_private(new, account, empty=True)
    arguments = ["-D", str(new), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    # The builtin provider needs no locale of the machine, whatever LANG says.
    arguments += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if not files.run("initdb", arguments, account=account, log=log_path(data_dir)):
        raise _failure(data_dir, "cannot make its data folder")
    if data_dir.exists():
        data_dir.rmdir()  # an empty folder is fine; anything else must not be overwritten
    new.rename(data_dir)


def _launch(data_dir: Path, account: files.Account | None) -> int:
    """Not by pg_ctl, which puts the folder's name into a shell command."""
    log = log_path(data_dir)
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    process = files.spawn("postgres", ["-D", str(data_dir)], account=account, log=log)
    _launched.append(process)
    _wait_until_ready(data_dir, lambda: process.poll() is None)
    return process.pid


# Kept so that a server that ends before us is reaped.
_launched: list[subprocess.Popen[bytes]] = []


def _wait_until_ready(data_dir: Path, lives: Callable[[], bool]) -> None:
    """Until it takes connections; recovery after a crash may take its time."""
    import psycopg

    end = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(url_for(data_dir, "postgres"), connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if not lives():
                raise _failure(data_dir, "did not start") from error
            if time.monotonic() > end:
                raise _failure(data_dir, f"takes no connections ({error})") from error
            time.sleep(0.05)


def _postmaster(data_dir: Path) -> int | None:
    """Pid of the live server of this folder. A pid file alone proves nothing: pids are reused."""
    import psutil

    try:
        pid = int((data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
        arguments = psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if str(data_dir) in arguments and "postgres" in Path(arguments[0]).name else None


def _socket(data_dir: Path) -> Path:
    return files.socket_dir(data_dir) / f".s.PGSQL.{files.PORT}"


def _has_socket(data_dir: Path, *, within: float = 0.0) -> bool:
    """Whether the socket is there; a server that only just started makes it within seconds."""
    end = time.monotonic() + within
    while not _socket(data_dir).exists():
        if time.monotonic() >= end:
            return False
        time.sleep(0.05)
    return True


def _clear_after_crash(data_dir: Path) -> None:
    """After a kill -9: wait for sessions that outlived their server, then drop its pid file.

    Starting beside such sessions would corrupt the data, which is why the pid file goes last.
    """
    import psutil

    pid_file = data_dir / "postmaster.pid"
    if not pid_file.exists():
        return
    orphans = [process for process in psutil.process_iter() if _lives_in(process, data_dir)]
    _, stuck = psutil.wait_procs(orphans, timeout=ORPHAN_TIMEOUT_S)
    for process in stuck:
        process.kill()
    psutil.wait_procs(stuck, timeout=ORPHAN_TIMEOUT_S)
    socket = _socket(data_dir)
    for leftover in (socket, Path(f"{socket}.lock"), pid_file):
        leftover.unlink(missing_ok=True)  # the pid in it may be a zombie's or a stranger's by now


def _lives_in(process: object, data_dir: Path) -> bool:
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        return process.name().startswith("postgres") and process.cwd() == str(data_dir)
    except psutil.Error:
        return False  # gone meanwhile, or another user's


def _failure(data_dir: Path, what: str) -> Unavailable:
    log = log_path(data_dir)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    last = " | ".join(line.strip() for line in lines[-3:])
    return Unavailable(
        f"the embedded PostgreSQL in {data_dir} {what}: {last or 'it said nothing'}.",
        next_step=f"See {log}.",
    )
