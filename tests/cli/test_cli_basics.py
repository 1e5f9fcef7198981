"""The command as a whole: help, errors, exit codes, settings."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vixen_pipeline.cli.envexample import env_example
from vixen_pipeline.cli.main import app
from vixen_pipeline.errors import VixenError
from vixen_pipeline.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
VIXEN = [str(Path(sys.executable).parent / "vixen")]

run = CliRunner().invoke


def test_help_names_every_command_of_the_contract_and_the_exit_codes():
    text = run(app, ["--help"]).output
    for command in (
        *("up", "demo", "avatar", "materialize", "backfill", "inbox", "effects", "costs"),
        *("report", "sql", "doctor", "db", "bench"),
    ):
        assert f"\n  {command} " in text, command
    for code in (0, 1, 2, 3, 4, 5, 6, 130):
        assert f" {code}  " in text


def test_every_command_has_help():
    def walk(path: list[str]) -> None:
        result = run(app, [*path, "--help"])
        assert result.exit_code == 0, (path, result.output)
        _, _, commands = result.output.partition("Commands:\n")
        for text in commands.split("\n\n")[0].splitlines():
            if text.startswith("  ") and text[2:3].strip():
                walk([*path, text.split()[0]])

    walk([])


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from vixen_pipeline.cli import main;"
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'dagster','sqlalchemy','alembic','pydantic','httpx','openai','anthropic','boto3',"
        "'fastapi','psycopg','pandas','numpy','structlog'}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert loaded.stdout.strip() == "[]", loaded.stderr
    best = min(_timed([*VIXEN, "--help"]) for _ in range(3))
    bare = min(_timed([sys.executable, "-c", "pass"]) for _ in range(3))
    assert best < max(1.0, 10 * bare), f"{best:.2f} s; an empty interpreter takes {bare:.2f} s"


def _timed(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def test_shell_completion_is_offered():
    assert "--install-completion" in run(app, ["--help"]).output


def test_wrong_usage_exits_with_2():
    assert run(app, ["no-such-command"]).exit_code == 2
    assert run(app, ["inbox", "replay"]).exit_code == 2


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIXEN_LOG_FORMAT", "loud")
    monkeypatch.setenv("VIXEN_DATASET_IMAGES", "many")
    result = run(app, ["doctor"])
    assert result.exit_code == 2
    assert "VIXEN_LOG_FORMAT" in result.stderr
    assert "VIXEN_DATASET_IMAGES" in result.stderr
    assert "Traceback" not in result.output


def test_errors_are_json_when_json_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIXEN_LOG_FORMAT", "loud")
    result = run(app, ["db", "url", "--json"])
    document = json.loads(result.stdout)["error"]
    assert document["kind"] == "SettingsMissing"
    assert document["exit_code"] == result.exit_code == 2
    assert document["problems"]


def test_a_database_that_is_away_is_one_line_and_exit_code_6(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIXEN_DATABASE_URL", "postgresql://u:secret-pw@127.0.0.1:9/none")
    result = run(app, ["inbox", "list"])
    assert result.exit_code == 6
    assert "the database does not answer" in result.stderr
    assert "secret-pw" not in result.output
    assert len(result.stderr.strip().splitlines()) == 1


def test_env_file_is_read_below_the_environment(tmp_path: Path):
    (tmp_path / ".env").write_text("VIXEN_S3_BUCKET=from-file\nVIXEN_S3_REGION=from-file\n")
    out = subprocess.run(
        [*VIXEN, "doctor", "--settings", "--json"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "VIXEN_S3_REGION": "from-env"},
        capture_output=True,
        text=True,
    )
    values = json.loads(out.stdout)
    assert values["VIXEN_S3_BUCKET"] == "from-file"
    assert values["VIXEN_S3_REGION"] == "from-env"


def test_the_env_example_is_up_to_date_and_names_every_setting():
    text = (ROOT / ".env.example").read_text()
    assert text == env_example(), "run: vixen doctor --env-example > .env.example"
    for name in Settings.model_fields:
        assert f"# VIXEN_{name.upper()}=" in text


def test_every_error_has_a_documented_exit_code():
    from vixen_pipeline.cli.console import EXIT_CODES

    def all_of(kind: type[VixenError]) -> set[type[VixenError]]:
        return {kind, *(sub for child in kind.__subclasses__() for sub in all_of(child))}

    assert {kind.exit_code for kind in all_of(VixenError)} <= set(EXIT_CODES)
