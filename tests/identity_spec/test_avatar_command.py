"""`vixen avatar`: what a person and a script see, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from persona_kit import fake_services
from spec_samples import sample_document
from typer.testing import CliRunner, Result

from vixen_pipeline.cli.main import build_app
from vixen_pipeline.db.session import Database
from vixen_pipeline.identity.personas import run_personas
from vixen_pipeline.identity.registry import register_landed
from vixen_pipeline.settings import Settings
from vixen_pipeline.stages import no_progress

EXAMPLES = Path(__file__).parents[2] / "examples" / "avatars"


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.database_url is not None
    monkeypatch.setenv("VIXEN_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("VIXEN_SANDBOX_TOKEN", "none")


def vixen(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build_app(), ["avatar", *map(str, arguments)])


def spec_file(folder: Path, file_name: str, /, **changes: object) -> Path:
    path = folder / file_name
    path.write_text(yaml.safe_dump(sample_document(**changes)))
    return path


def test_adding_says_what_was_done_and_again_that_nothing_was(tmp_path: Path) -> None:
    luna = spec_file(tmp_path, "luna.yaml")
    first = vixen("add", luna)
    assert first.exit_code == 0
    assert first.stdout == f"fitness:luna: added (version 1, {luna})\n"
    assert "unchanged, nothing to do (version 1" in vixen("add", luna).stdout
    spec_file(tmp_path, "luna.yaml", age=30)
    again = vixen("add", "--json", luna)
    assert json.loads(again.stdout)[0]["outcome"] == "updated"
    assert json.loads(again.stdout)[0]["version"] == 2


def test_every_problem_of_every_file_is_one_line_and_the_exit_code_is_2(tmp_path: Path) -> None:
    files = [
        spec_file(tmp_path, "young.yaml", handle="young", age=19),
        spec_file(tmp_path, "good.yaml"),
        spec_file(tmp_path, "star.yaml", handle="star", name="Taylor Swift", nich="x"),
    ]
    refused = vixen("add", *files, tmp_path / "none.yaml")
    assert refused.exit_code == 2
    assert refused.stdout == ""
    lines = refused.stderr.splitlines()
    assert lines[0].startswith("error: avatar specs: 4 problems. Nothing was written")
    assert len([line for line in lines if line.startswith("  - ")]) == 4
    assert json.loads(vixen("list", "--json").stdout) == []
    machine = vixen("add", "--json", *files)
    assert len(json.loads(machine.stdout)["error"]["problems"]) == 3


def test_the_list_shows_landed_and_registered_avatars(
    settings: Settings, database: Database
) -> None:
    assert vixen("add", *sorted(EXAMPLES.glob("*.yaml"))).exit_code == 0
    landed = json.loads(vixen("list", "--json").stdout)
    assert {item["status"] for item in landed} == {"landed"}
    assert len(landed) == 5
    with fake_services(settings, database) as services:
        register_landed(services)
    listed = json.loads(vixen("list", "--json", "--niche", "fitness").stdout)
    assert [(item["avatar"], item["status"]) for item in listed] == [("fitness:luna", "described")]
    assert vixen("archive", "fitness:luna").stdout == "fitness:luna: archived\n"
    assert vixen("archive", "fitness:luna").stdout == "fitness:luna: archived already\n"
    assert json.loads(vixen("list", "--json", "--niche", "fitness").stdout) == []
    assert "archived" in vixen("list", "--all").stdout
    assert vixen("archive", "--undo", "fitness:luna").stdout == "fitness:luna: active\n"


def test_similar_names_the_near_duplicates(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    files = [spec_file(tmp_path, f"{h}.yaml", handle=h) for h in ("luna", "twin")]
    vixen("add", *files)
    with fake_services(settings, database) as services:
        register_landed(services)
        run_personas(services, ["fitness:luna", "fitness:twin"], no_progress)
    found = json.loads(vixen("similar", "fitness:luna", "--json").stdout)
    assert found == [{"avatar": "fitness:twin", "similarity": 1.0, "near_duplicate": True}]
    assert "fitness:twin\t1.0000\tyes" in vixen("similar", "fitness:luna").stdout


def test_show_tells_the_stage_the_cost_and_the_persona(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    vixen("add", spec_file(tmp_path, "luna.yaml"))
    assert json.loads(vixen("show", "fitness:luna", "--json").stdout)["status"] == "landed"
    with fake_services(settings, database) as services:
        register_landed(services)
        run_personas(services, ["fitness:luna"], no_progress)
    shown = json.loads(vixen("show", "fitness:luna", "--json").stdout)
    assert shown["avatar"] == "fitness:luna"
    assert shown["persona"]["tone"] == "warm and direct"
    assert float(shown["usd"]) > 0
    assert shown["stage"]
    assert "biography: Luna runs" in vixen("show", "fitness:luna").stdout
    missing = vixen("show", "fitness:lun")
    assert missing.exit_code == 2
    assert "Did you mean fitness:luna?" in missing.stderr


def test_a_consent_is_recorded_and_listed(tmp_path: Path) -> None:
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(b"signed")
    arguments = ("doc-7", "--person", "Jane Doe", "--document", signed, "--by", "ops")
    assert "consent of Jane Doe recorded" in vixen("consent", "add", *arguments).stdout
    assert "on record already" in vixen("consent", "add", *arguments).stdout
    assert json.loads(vixen("consent", "list", "--json").stdout)[0]["person_name"] == "Jane Doe"
    other = ("doc-7", "--person", "Mary Major", "--document", signed, "--by", "ops")
    assert vixen("consent", "add", *other).exit_code == 2


def test_the_schema_is_printed_for_editors() -> None:
    schema = json.loads(vixen("schema").stdout)
    assert schema["properties"]["age"]["minimum"] == 21
    assert schema["additionalProperties"] is False
