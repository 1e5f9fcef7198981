"""What commands say of content: the demo's figures, `avatar show`, `report`, `doctor`."""

from __future__ import annotations

import json

import pytest
from content_kit_ring import GIVES, SHOTS, give_weights
from typer.testing import CliRunner
from vixen_identity import add_avatars

from vixen_pipeline.cli.demo import _document
from vixen_pipeline.cli.demo_facts import STAGES, facts, progress
from vixen_pipeline.cli.demo_view import _sentence
from vixen_pipeline.cli.doctor_content import content_findings
from vixen_pipeline.cli.main import app
from vixen_pipeline.identity.attempts import record_failure


@pytest.fixture
def luna(services):
    (avatar,) = add_avatars(services, "luna", persona=False)
    give_weights(services, avatar)
    return avatar


def climb(services, avatar, stages):
    for stage in stages:
        with services.database.begin() as session:
            GIVES[stage](services, session, avatar)


def shown(services, avatar):
    with services.database.begin() as session:
        (row,) = progress(session, [avatar.key])
    return row


def test_the_demo_is_complete_only_when_the_pieces_are_ready(services, luna):
    row = shown(services, luna)
    assert (row.status, row.stages_done, row.complete) == ("exam", 6, False)
    climb(services, luna, ["weights_exams", "content_plans", "content_images"])
    row = shown(services, luna)
    assert (row.status, row.images, row.planned, row.complete) == ("copy", SHOTS, SHOTS, False)
    climb(services, luna, ["content_copy", "content_pieces"])
    row = shown(services, luna)
    assert (row.status, row.ready, row.complete) == ("ready", SHOTS, True)
    assert row.stages_done == len(STAGES)
    assert _sentence(row) == f"ready: {SHOTS} pieces"


def test_the_demos_json_counts_pieces_and_names_every_stage(services, luna):
    climb(services, luna, GIVES)
    with services.database.begin() as session:
        found = facts(session, [luna.key])
    document = _document(found, {}, 1.0, complete=True)
    assert [stage["name"] for stage in document["stages"]] == list(STAGES)
    items = {stage["name"]: stage["items"] for stage in document["stages"]}
    assert items["content_images"] == items["content_copy"] == items["content_pieces"] == SHOTS
    (avatar,) = document["avatars"]
    assert (avatar["status"], avatar["pieces"]) == ("ready", SHOTS)


def test_the_demo_says_why_content_failed(services, luna):
    climb(services, luna, ["weights_exams"])
    with services.database.begin() as session:
        record_failure(
            session, luna.id, "content_plans", "no words left", "add", True, services.clock
        )
    row = shown(services, luna)
    assert row.permanent
    assert _sentence(row) == "failed: no words left"


def test_avatar_show_and_report_tell_of_pieces(services, luna, database_url, monkeypatch):
    climb(services, luna, GIVES)
    monkeypatch.setenv("VIXEN_DATABASE_URL", database_url)
    told = json.loads(CliRunner().invoke(app, ["avatar", "show", luna.key, "--json"]).stdout)
    assert told["content"]["status"] == "ready"
    assert told["content"]["pieces"]["ready"] == SHOTS
    text = CliRunner().invoke(app, ["avatar", "show", luna.key]).stdout
    assert f"ready: {SHOTS}" in text and "permanent" not in text
    report = json.loads(CliRunner().invoke(app, ["report", "--json"]).stdout)
    assert [(r["avatar"], r["pieces_ready"]) for r in report["content"]] == [(luna.key, SHOTS)]


def levels(settings, **changes):
    return [f.level for f in content_findings(settings.model_copy(update=changes))]


def test_doctor_runs_ffmpeg_and_reads_the_certificate(settings, tmp_path):
    assert levels(settings) == ["ok", "warning"]
    assert levels(settings, ffmpeg="/no/such/ffmpeg")[0] == "failed"
    from pydantic import SecretStr

    one = {"c2pa_certificate": SecretStr("x")}
    assert levels(settings, **one)[1] == "failed"
    both = {**one, "c2pa_private_key": SecretStr("y")}
    assert levels(settings, **both)[1] == "failed"
