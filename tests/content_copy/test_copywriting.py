"""The stage content_copy on a real PostgreSQL with fakes of the text providers."""

from __future__ import annotations

from content_kit_copy import copies, plan, run, with_persona
from persona_kit import Make

from vixen_pipeline.content.stages_list import COPY_STAGE
from vixen_pipeline.db.session import Database


def test_every_shot_and_platform_gets_one_chosen_caption_of_several(
    make: Make, database: Database
) -> None:
    services = make()
    (avatar,) = with_persona(services, "luna")
    plan(services, avatar, 7)
    (result,) = run(services)
    assert result.outcome == "made", result.error
    assert {c.name: c.blocking for c in result.checks} == dict(COPY_STAGE.checks)
    assert [c.passed for c in result.checks] == [True, True, True]
    assert set(result.metadata) == set(COPY_STAGE.metadata_schema)
    rows = copies(database)
    assert len(rows) == 7 * 2 * 3
    chosen = [(row.shot_id, row.platform) for row in rows if row.chosen]
    assert len(chosen) == len(set(chosen)) == 14
    assert all(row.score is not None and row.moderation is not None for row in rows)
    (again,) = run(services)
    assert (again.outcome, len(copies(database))) == ("unchanged", 42)
    assert again.metadata == result.metadata
