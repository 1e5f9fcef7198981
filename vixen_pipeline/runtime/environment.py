"""What the processes of one instance are told through their environment.

Belongs here: environment variables, the project's folder. Does not: starting anything.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import cache_from_source, find_spec
from pathlib import Path

from sqlalchemy import make_url

from vixen_pipeline.db import embedded
from vixen_pipeline.db.siblings import dagster_storage_url, dagster_url, plain_url
from vixen_pipeline.errors import UserError
from vixen_pipeline.runtime.databases import Databases
from vixen_pipeline.runtime.leftovers import MARK
from vixen_pipeline.services import Services


def project_root() -> Path:
    """The folder with dagster.yaml: of this checkout, else the current one. Raises UserError."""
    for folder in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (folder / "dagster.yaml").exists() and (folder / "workspace.yaml").exists():
            return folder
    raise UserError(
        "dagster.yaml is not here.", next_step="Run this in the folder of Vixen Pipeline."
    )


def python_path() -> str:
    """PYTHONPATH with the project first, so that `assets` is ours wherever we were started."""
    paths = [str(project_root()), os.environ.get("PYTHONPATH", "")]
    return os.pathsep.join(path for path in paths if path)


def dagster_environment(services: Services) -> dict[str, str]:
    """For a Dagster process that a command starts itself; makes Dagster's database if needed."""
    storage = dagster_url(services.settings, services.database.url)
    if services.settings.dagster_database_url is None:
        name = make_url(storage).database or ""
        embedded.create_database(plain_url(services.database.url), name)
    return dagster_variables(storage, services.settings.home.resolve())


def dagster_variables(storage: str, home: Path) -> dict[str, str]:
    """What every Dagster process needs: its storage's address, its folders, our settings."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return {
        "VIXEN_HOME": str(home),
        "VIXEN_DAGSTER_PG_URL": dagster_storage_url(storage),
        "VIXEN_DAGSTER_DIR": str(folder),
        "DAGSTER_HOME": str(project_root()),
        # Events of a step over many partitions are written in batches: twice as fast.
        "DAGSTER_EVENT_BATCH_SIZE": os.environ.get("DAGSTER_EVENT_BATCH_SIZE", "100"),
        # R2 refuses the checksums that boto3 sends by default, in dagster-aws too.
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        # Images pass through a dozen threads, and glibc keeps a heap for each: two heaps hold a
        # run of 500 images at 330 MB instead of 570 (benchmarks/orchestration.py).
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2"),
    }


def child_environment(
    databases: Databases, values: Mapping[str, str], home: Path
) -> dict[str, str]:
    """The whole environment of a supervised process: ours, and where everything is."""
    return {
        **os.environ,
        **values,
        **dagster_variables(databases.dagster, home),
        **_bytecode(home),
        "VIXEN_DATABASE_URL": databases.main,
        "VIXEN_DAGSTER_DATABASE_URL": databases.dagster,
        "PYTHONPATH": python_path(),
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
        MARK: str(home),
    }


def _bytecode(home: Path) -> dict[str, str]:
    """Where no process may write bytecode and none was installed, each would compile Dagster anew,
    which takes as long as importing it: then it goes into our own folder."""
    spec = find_spec("dagster")
    if not os.environ.get("PYTHONDONTWRITEBYTECODE") or spec is None or spec.origin is None:
        return {}
    if Path(cache_from_source(spec.origin)).exists():
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(home / "pycache")}
