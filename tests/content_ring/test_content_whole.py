"""System 2 as a whole against the real sandbox: from verified weights to signed pieces."""

from __future__ import annotations

import pytest
from content_kit_trained import trained_avatars
from sqlalchemy import text

from vixen_pipeline.content.advance import advance
from vixen_pipeline.content.stages_list import CONTENT_STAGES
from vixen_pipeline.content.status import completed_stages, content_statuses
from vixen_pipeline.content.work import work_available
from vixen_pipeline.services import Services
from vixen_pipeline.stages import no_progress

pytestmark = pytest.mark.long

PIECES = 10


@pytest.fixture
def small(settings, database, sandbox):
    changes = {
        "dataset_images": 4,
        "exam_images": 4,
        "content_pieces": PIECES,
        "content_carousels": 5,
        "content_slideshows": 5,
        "training_poll_s": 0.1,
    }
    with Services(settings.model_copy(update=changes), database=database) as services:
        yield services


def go(services):
    log: list = []
    advance(services, None, CONTENT_STAGES, no_progress, lambda name, r: log.append((name, r)))
    return log


def test_two_avatars_get_their_pieces_in_one_round_and_every_figure_is_reported(small, sandbox):
    keys = trained_avatars(small, sandbox, "luna", "mara")
    log = go(small)
    failed = [(name, r.avatar, r.error) for name, r in log if r.outcome == "failed"]
    assert not failed
    for stage in CONTENT_STAGES:
        results = [r for name, r in log if name == stage.name]
        assert sorted(r.avatar for r in results) == sorted(keys), stage.name
        for result in results:
            assert result.outcome == "made", (stage.name, result)
            assert set(result.metadata) >= set(stage.metadata_schema), stage.name
            assert {c.name for c in result.checks} == {name for name, _ in stage.checks}
            red = [c for c in result.checks if c.blocking and not c.passed]
            assert not red, (stage.name, red)
    statuses = content_statuses(small, keys)
    for key in keys:
        assert statuses[key].status == "ready"
        assert statuses[key].pieces.formats["still"] == PIECES
        assert statuses[key].pieces.formats.get("carousel", 0) >= 1
        assert statuses[key].pieces.formats.get("slideshow", 0) >= 1
        assert statuses[key].usd > 0
    assert all(sorted(done) == sorted(keys) for done in completed_stages(small).values())
    assert not work_available(small.database, small.clock)
    assert go(small) == []


def test_making_it_again_by_hand_changes_nothing_and_costs_nothing(small, sandbox):
    (key,) = trained_avatars(small, sandbox, "luna")
    go(small)
    before = facts(small)
    for stage in CONTENT_STAGES:
        (result,) = stage.run(small, [key], no_progress)
        assert result.outcome == "unchanged", (stage.name, result)
        assert set(result.metadata) >= set(stage.metadata_schema), stage.name
        assert {c.name for c in result.checks} == {name for name, _ in stage.checks}
        assert all(c.passed for c in result.checks if c.blocking), result.checks
    assert facts(small) == before


def test_no_secret_and_no_presigned_address_is_kept_or_shown(small, sandbox):
    trained_avatars(small, sandbox, "luna")
    log = go(small)
    shown = " ".join(f"{r.metadata}{r.checks}" for _, r in log)
    with small.database.begin() as session:
        kept = " ".join(
            str(row[0])
            for query in (
                "SELECT request::text || COALESCE(result::text, '') FROM vixen.effects",
                "SELECT lineage::text FROM vixen.content_pieces",
                "SELECT credentials::text FROM vixen.piece_files",
            )
            for row in session.execute(text(query))
        )
    for word in ("X-Amz-Signature", "BEGIN PRIVATE KEY", "BEGIN EC PRIVATE"):
        assert word not in shown
        assert word not in kept


def facts(services):
    """Everything that costs or is kept, counted."""
    tables = ("effects", "cost_entries", "rendered_images", "content_copies", "content_pieces")
    with services.database.begin() as session:
        return {
            table: session.scalar(text(f"SELECT count(*) FROM vixen.{table}")) for table in tables
        }
