"""What `vixen doctor` looks at. Each check gives findings; none of them changes anything.

Belongs here: settings, folder, database, processes, clock, schema. Does not: printing; providers
(doctor_providers.py). A check never raises for what it finds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vixen_pipeline.settings import Settings

Level = Literal["ok", "warning", "failed"]

LOW_DISK_BYTES = 2_000_000_000
SKEW_WARNING_S = 5.0
SKEW_FAILED_S = 120.0
"""Webhook signatures bear 300 s, presigned URLs often less."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `next_step` for everything that is not ok."""

    area: str
    level: Level
    message: str
    next_step: str = ""


def settings_findings(settings: Settings) -> Iterator[Finding]:
    """Everything that is missing, each with where to get it."""
    from vixen_pipeline.settings import missing_settings

    missing = missing_settings(settings)
    for text in missing:
        fresh = text.startswith("VIXEN_SANDBOX_TOKEN is made by")
        yield Finding("settings", "warning" if fresh else "failed", text, "See .env.example.")
    if not missing:
        yield Finding("settings", "ok", "complete for the chosen modes")
    if settings.identity_scorer == "appearance":
        yield Finding(
            "settings",
            "warning",
            "the identity scorer `appearance` compares looks, not faces",
            "pip install 'vixen-pipeline[faces]' and VIXEN_IDENTITY_SCORER=dlib",
        )
    else:
        yield _dlib_finding()


def _dlib_finding() -> Finding:
    from importlib.util import find_spec

    if find_spec("dlib") is None or find_spec("face_recognition_models") is None:
        return Finding(
            "settings",
            "failed",
            "VIXEN_IDENTITY_SCORER=dlib, but the extra is not installed",
            "pip install 'vixen-pipeline[faces]'",
        )
    return Finding("settings", "ok", "the identity scorer dlib is installed")


def folder_findings(settings: Settings) -> Iterator[Finding]:
    """Space, and who can read the generated secrets."""
    home = settings.home.resolve()
    existing = home
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    level: Level = "ok" if free > LOW_DISK_BYTES else "warning"
    yield Finding("folder", level, f"{home}: {free / 1e9:.1f} GB free", "Make room.")
    runtime = home / "runtime.json"
    if runtime.exists() and runtime.stat().st_mode & 0o077:
        yield Finding(
            "folder", "failed", f"{runtime} is readable for others", f"chmod 600 {runtime}"
        )


def database_findings(settings: Settings) -> Iterator[Finding]:
    """Reachability, version, pgvector, schema revision, the server's clock."""
    from vixen_pipeline.db import embedded

    if settings.database_url is None:
        state = embedded.state(settings.postgres_dir)
        if not state.initialized:
            yield Finding(
                "database", "ok", "embedded PostgreSQL: not made yet; the first command makes it"
            )
            return
        if not state.running:
            yield Finding("database", "ok", "embedded PostgreSQL: stopped; commands start it")
            return
        yield Finding("database", "ok", f"embedded PostgreSQL runs (process {state.pid})")
        url = embedded.url_for(settings.postgres_dir)
    else:
        url = settings.database_url.get_secret_value()
    yield from _server_findings(url)


def _server_findings(url: str) -> Iterator[Finding]:
    import psycopg

    from vixen_pipeline.db import migrate, siblings
    from vixen_pipeline.errors import VixenError
    from vixen_pipeline.runtime.databases import check_server, shown

    plain = siblings.plain_url(url)
    try:
        check_server(plain)
        with psycopg.connect(plain, connect_timeout=5) as connection:
            before = datetime.now(UTC)
            row = connection.execute("SELECT clock_timestamp()").fetchone()
            after = datetime.now(UTC)
    except VixenError as error:
        yield Finding("database", "failed", error.message, error.next_step or "")
        return
    yield Finding("database", "ok", f"{shown(plain)} answers, with pgvector")
    assert row is not None
    middle = before + (after - before) / 2
    yield clock_finding("the database server", (row[0] - middle).total_seconds())
    current, head = migrate.revisions(plain)
    if current == head:
        yield Finding("database", "ok", f"schema is at {head}")
    else:
        yield Finding(
            "database",
            "failed",
            f"schema is at {current or 'nothing'}, the code needs {head}",
            "vixen db upgrade",
        )


def clock_finding(whose: str, skew_s: float) -> Finding:
    """How far another clock is from ours; positive: it is ahead."""
    size = abs(skew_s)
    level: Level = (
        "ok" if size < SKEW_WARNING_S else "warning" if size < SKEW_FAILED_S else "failed"
    )
    return Finding(
        "clock", level, f"{whose} is {skew_s:+.1f} s from this machine", "Set the clock (NTP)."
    )


def process_findings(settings: Settings) -> Iterator[Finding]:
    """Whether `vixen up` runs here, and whether what it runs answers."""
    from vixen_pipeline.runtime import checks
    from vixen_pipeline.runtime.uplock import holder

    pid = holder(Path(settings.home).resolve())
    if pid is None:
        yield Finding("processes", "ok", "`vixen up` does not run in this folder")
        return
    yield Finding("processes", "ok", f"`vixen up` runs (process {pid})")
    logs = settings.home.resolve() / "logs"
    asked = {
        "gateway": checks.http_ok(f"{settings.gateway_url}/readyz"),
        "sandbox": checks.http_ok(f"{settings.sandbox_url}/healthz"),
        "webserver": checks.location_loaded(settings.dagster_url),
    }
    for name, wrong in asked.items():
        if not (logs / f"{name}.log").exists():
            continue  # was left out by an option
        if wrong is None:
            yield Finding("processes", "ok", f"{name} answers")
        else:
            yield Finding("processes", "failed", f"{name}: {wrong}", f"See {logs / name}.log")
