"""sql, inbox, effects, costs, report, doctor and db on a real database."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from vixen_pipeline.cli.main import app
from vixen_pipeline.clock import SystemClock
from vixen_pipeline.costs import PaidCall
from vixen_pipeline.db.session import Database
from vixen_pipeline.effects import Intent
from vixen_pipeline.inbox import Inbox
from vixen_pipeline.services import Services
from vixen_pipeline.settings import load_settings


@pytest.fixture
def vixen(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command on the test's database."""
    monkeypatch.setenv("VIXEN_DATABASE_URL", database_url)
    monkeypatch.setenv("VIXEN_HOME", str(tmp_path / "home"))

    def invoke(*arguments: str, ok: bool = True, given: str | None = None) -> Result:
        result = CliRunner().invoke(app, list(arguments), input=given)
        if ok:
            assert result.exit_code == 0, result.output
        return result

    return invoke


@pytest.fixture
def avatar(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            """
            WITH spec AS (
              INSERT INTO landing.avatar_specs
                (avatar_key, niche, handle, version, digest, document, source)
              VALUES ('fitness:luna', 'fitness', 'luna', 1, 'd', '{}', 'test') RETURNING id)
            INSERT INTO vixen.avatars (key, niche, handle, display_name, spec_id, spec_version,
                                       spec, persona_digest, appearance_digest)
            SELECT 'fitness:luna', 'fitness', 'luna', 'Luna', id, 1, '{}', 'p', 'a' FROM spec
            """
        )
    return "fitness:luna"


def test_sql_prints_table_json_and_csv(vixen, avatar: str):
    query = "SELECT avatar, status, 1.50::numeric AS usd FROM report.avatars"
    assert vixen("sql", query).stdout.splitlines()[1].split("\t") == [
        avatar,
        "described",
        "1.5",
    ]
    assert json.loads(vixen("sql", query, "--format", "json").stdout) == [
        {"avatar": avatar, "status": "described", "usd": "1.50"}
    ]
    rows = list(csv.reader(io.StringIO(vixen("sql", query, "-f", "csv").stdout)))
    assert rows == [["avatar", "status", "usd"], [avatar, "described", "1.5"]]


def test_sql_reads_from_standard_input(vixen):
    assert vixen("sql", "-", "--json", given="SELECT 7 AS n\n").stdout.strip().endswith("]")


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM vixen.avatars",
        "SELECT 1; DELETE FROM vixen.avatars",
        "COMMIT; DROP SCHEMA report CASCADE",
        "CREATE TABLE report.x (n int)",
        "SELECT * FROM landing.webhook_events",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "DO $$ BEGIN SET ROLE NONE; PERFORM * FROM landing.webhook_events; END $$",
        "/* SELECT */ do $$ BEGIN SET ROLE NONE; END $$",
        " -- SELECT\rDO $$ BEGIN SET ROLE NONE; END $$",
        "/* /* */ SELECT */ DO $$ BEGIN SET ROLE NONE; END $$",
        "SET ROLE NONE",
        "CALL nothing()",
        "",
        "SELECT set_config('role', 'none', true), query_to_xml('TABLE vixen.x', true, true, '')",
        "SELECT query_to_xml('SELECT s'||'et_config(''role'', ''none'', true)', true, true, '')",
        "SELECT U&\"set\\005fconfig\"('role', 'none', true)",
        "SELECT pg_read_file('postgresql.conf')",
    ],
)
def test_sql_changes_nothing_and_reads_only_the_reports(vixen, avatar: str, query: str):
    result = vixen("sql", query, ok=False)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert avatar in vixen("sql", "SELECT avatar FROM report.avatars").output


@pytest.mark.parametrize(
    "query",
    [
        " (select 1)",
        " -- why\n/* how */ WITH x AS (SELECT 1) TABLE x",
        "VALUES (1)",
        "TABLE report.avatars",
        "explain SELECT 1",
        "SHOW search_path",
    ],
)
def test_sql_takes_every_statement_that_reads(vixen, query: str):
    vixen("sql", query)


def test_sql_warns_when_the_server_knows_us_as_superuser(vixen, database_url: str):
    said = vixen("sql", "SELECT 1").stderr
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = session_user")
        assert row.fetchone() == (True,)
    assert said.startswith("warning: ") and "a member of vixen_reader" in said
    assert said.count("\n") == 1


def test_sql_errors_are_one_line_and_long_queries_end(vixen):
    result = vixen("sql", "SELECT nothing FROM report.avatars", ok=False)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert 'column "nothing" does not exist' in result.stderr
    result = vixen("sql", "SELECT pg_sleep(20)", "--timeout", "0.2", ok=False)
    assert (result.exit_code, "took longer" in result.stderr) == (2, True)


def test_inbox_lists_shows_and_replays_dead_letters(vixen, database_url: str):
    database = Database(database_url)
    Inbox(database, SystemClock()).land("replicate", "msg_1", b'{"id": "t1"}')
    database.dispose()
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE landing.webhook_events SET state = 'dead', attempts = 8, error = 'boom'"
        )
    listed = json.loads(vixen("inbox", "list", "--state", "dead", "--json").output)
    assert [(row["event_id"], row["error"]) for row in listed] == [("msg_1", "boom")]
    assert "body" not in listed[0]
    number = str(listed[0]["id"])
    assert "t1" not in vixen("inbox", "show", number).output
    assert '{"id": "t1"}' in vixen("inbox", "show", number, "--body").output
    assert "1 events are pending again" in vixen("inbox", "replay", number).output
    assert vixen("inbox", "replay", number, ok=False).exit_code == 2
    assert vixen("inbox", "show", "999999", ok=False).exit_code == 2


def test_replaying_everything_asks_first(vixen):
    assert vixen("inbox", "replay", "--all", ok=False, given="n\n").exit_code == 1
    assert "0 events" in vixen("inbox", "replay", "--all", "--yes").output


def test_effects_are_listed_and_what_cannot_be_read_back_is_said(vixen, database_url: str):
    services = Services(load_settings(database_url=database_url))
    intent = Intent(
        "test.kind", "key-1", "replicate", {"a": 1}, None, deadline=timedelta(minutes=5)
    )
    [effect] = services.effects.intend([intent])
    services.close()
    [row] = json.loads(vixen("effects", "list", "--kind", "test.kind", "--json").output)
    assert (row["key"], row["state"], row["overdue"]) == ("key-1", "intended", False)
    assert "key-1" in vixen("effects", "show", str(effect.id)).output
    result = vixen("effects", "reconcile", str(effect.id), "--json", ok=False)
    assert result.exit_code == 1
    assert "cannot be read back" in json.loads(result.stdout)[0]["error"]
    assert vixen("effects", "reconcile", "--unknown", "--json").output.strip() == "[]"


def test_costs_are_summed_and_budgets_set(vixen, database_url: str, avatar: str):
    services = Services(load_settings(database_url=database_url))
    book = services.costs
    usage = _Usage()
    book.record([PaidCall("k1", None, None, "personas", [usage])])
    expected = book.quote([usage])
    services.close()
    document = json.loads(vixen("costs", "--by", "provider", "--by", "batch", "--json").output)
    assert Decimal(document["usd"]) == expected
    assert document["lines"][0]["batch"] == "personas"
    assert "USD" in vixen("costs", "--since", "2020-01-01").output
    vixen("costs", "set-budget", "12.50", "--avatar", avatar)
    shown = json.loads(vixen("costs", "budgets", "--avatar", avatar, "--json").output)
    assert Decimal(next(row["limit"] for row in shown if row["scope"] == "avatar")) == Decimal(
        "12.5"
    )
    assert vixen("costs", "set-budget", "much", ok=False).exit_code == 2
    assert vixen("costs", "set-budget", "1", "--avatar", "no:body", ok=False).exit_code == 2


class _Usage:
    provider = "openai"
    sku = "text-embedding-3-small:input"
    units = Decimal(1_000_000)


def test_the_report_comes_as_json_csv_and_html(vixen, avatar: str, tmp_path: Path):
    document = json.loads(vixen("report", "--format", "json").output)
    assert document["avatars"][0]["avatar"] == avatar
    assert set(document) >= {"avatars", "costs_by_provider", "dead_letters", "effects_overdue"}
    rows = list(csv.DictReader(io.StringIO(vixen("report", "-f", "csv").output)))
    assert {"section": "avatars", "row": "1", "column": "avatar", "value": avatar} in rows
    page = tmp_path / "report.html"
    vixen("report", "-f", "html", "-o", str(page))
    assert "<td>fitness:luna</td>" in page.read_text()
    assert avatar in vixen("report").output


def test_doctor_names_what_is_missing_for_live_providers(vixen, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIXEN_REPLICATE_MODE", "live")
    monkeypatch.setenv("VIXEN_MODAL_MODE", "live")
    result = vixen("doctor", "--offline", "--json", ok=False)
    assert result.exit_code == 1
    failed = [row["message"] for row in json.loads(result.output) if row["level"] == "failed"]
    for name in ("REPLICATE_API_TOKEN", "REPLICATE_WEBHOOK_SECRETS", "PUBLIC_URL", "MODAL_KEY"):
        assert any(f"VIXEN_{name}" in message for message in failed), name


def test_doctor_reports_schema_and_clock_and_prints_no_secret(
    vixen, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VIXEN_SANDBOX_TOKEN", "sesame-sesame")
    result = vixen("doctor", "--offline")
    assert "schema is at" in result.output
    assert "clock" in result.output
    settings = vixen("doctor", "--settings").output
    assert "sesame" not in result.output + settings
    assert "VIXEN_SANDBOX_TOKEN\t(set)" in settings


def test_doctor_fails_when_the_schema_is_behind(vixen, database_url: str):
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE vixen.alembic_version SET version_num = '0001'")
    result = vixen("doctor", "--offline", ok=False)
    assert result.exit_code == 1
    assert "vixen db upgrade" in result.output


def test_db_upgrade_makes_the_schema_of_an_empty_database(
    vixen, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    from vixen_pipeline.db import embedded

    admin = postgres_url.replace("/template_vixen", "/postgres")
    embedded.create_database(admin, "empty_one")
    monkeypatch.setenv("VIXEN_DATABASE_URL", postgres_url.replace("/template_vixen", "/empty_one"))
    assert "schema is at" in vixen("db", "upgrade").output
    assert "empty_one" in vixen("db", "url").output


def test_db_reset_asks_and_then_empties(vixen, avatar: str):
    assert vixen("db", "reset", ok=False, given="n\n").exit_code == 1
    assert avatar in vixen("sql", "SELECT avatar FROM report.avatars").output
    vixen("db", "reset", "--yes")
    assert avatar not in vixen("sql", "SELECT avatar FROM report.avatars").output
