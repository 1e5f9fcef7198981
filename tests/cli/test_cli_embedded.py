"""Commands in a fresh folder: the embedded database is made, used as the reader, and stopped."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vixen_pipeline.cli.main import app
from vixen_pipeline.db import embedded
from vixen_pipeline.runtime.uplock import UpLock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    folder = tmp_path / "a home"
    monkeypatch.setenv("VIXEN_HOME", str(folder))
    monkeypatch.delenv("VIXEN_DATABASE_URL", raising=False)
    yield folder
    embedded.stop(folder / "postgres")


def vixen(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_a_fresh_folder_answers_sql_and_the_reader_cannot_become_anybody_else(home: Path):
    assert json.loads(vixen("sql", "SELECT count(*) AS n FROM report.avatars", "--json")) == [
        {"n": 0}
    ]
    assert "vixen_reader" in vixen("sql", "SELECT session_user")
    assert "only reads" in vixen("sql", "SET ROLE postgres", code=2)
    block = "DO $$ BEGIN EXECUTE 'RESET ROLE'; EXECUTE 'DROP SCHEMA report CASCADE'; END $$"
    vixen("sql", block, code=2)
    assert "n\n0" in vixen("sql", "SELECT count(*) AS n FROM report.avatars")

    lock = UpLock(home.resolve())
    lock.acquire()
    assert "runs in this folder" in vixen("db", "reset", "--yes", code=5)
    assert "runs in this folder" in vixen("db", "stop", code=5)
    lock.release()

    vixen("db", "reset", "--yes")
    assert "stopped" in vixen("db", "stop")
    assert "it was not running" in vixen("db", "stop")
    assert "stopped; commands start it" in vixen("doctor", "--offline")
