"""Stage content_images as a whole: every shot filled, told, paid, and done once."""

from __future__ import annotations

from decimal import Decimal

from content_kit_images import (
    PASSES,
    complete_plan,
    number,
    plant_plan,
    ready_avatars,
    render_all,
    rows,
    selected,
)
from sqlalchemy import text
from vixen_identity import add_avatars

from vixen_pipeline.content.plan_request import end_plan
from vixen_pipeline.content.stages_list import IMAGES_STAGE
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services
from vixen_pipeline.stages import StageProgress


def test_every_shot_of_every_avatar_gets_one_image_tied_to_its_request(
    core: Services, sandbox: Sandbox
) -> None:
    avatars = ready_avatars(core, "luna", "mara", shots=5)
    results = render_all(core, avatars)
    assert [result.outcome for result in results] == ["made", "made"]
    assert selected(core) == 10
    assert sandbox.control.state()["modal"]["images"] >= 10
    for row in rows(core, "SELECT * FROM vixen.rendered_images"):
        assert row.request_id == f"shot-{row.shot_id}-{row.attempt}"
        assert row.sha256 in row.object_key
        assert row.settled_at is not None
        assert row.phash_bits is not None
    for result in results:
        assert set(result.metadata) == set(IMAGES_STAGE.metadata_schema)
        assert [(c.name, c.blocking) for c in result.checks] == list(IMAGES_STAGE.checks)
        assert all(check.passed for check in result.checks), result.checks
        assert str(result.metadata["contact_sheet"].value).startswith("![fitness:")
        assert len(str(result.metadata["contact_sheet"].value)) <= 100_000


def test_each_image_bears_its_share_of_what_its_call_cost(core: Services) -> None:
    avatars = ready_avatars(core, "luna", shots=5)
    render_all(core, avatars)
    [shares] = rows(core, "SELECT sum(usd) AS usd, min(usd) AS least FROM vixen.rendered_images")
    [booked] = rows(core, "SELECT sum(usd) AS usd FROM vixen.cost_entries WHERE provider = 'modal'")
    assert shares.usd == booked.usd > Decimal(0)
    assert shares.least > 0
    assert number(core, "SELECT count(*) FROM vixen.cost_reservations") == 0


def test_a_second_run_makes_nothing_and_says_the_same(core: Services, sandbox: Sandbox) -> None:
    avatars = ready_avatars(core, "luna", shots=3)
    [first] = render_all(core, avatars)
    made = sandbox.control.state()["modal"]
    [again] = render_all(core, avatars)
    assert again.outcome == "unchanged"
    assert again.metadata == first.metadata
    assert sandbox.control.state()["modal"] == made


def test_an_avatar_without_plan_or_examined_weights_is_blocked_by_name(core: Services) -> None:
    [unplanned, unexamined] = add_avatars(core, "luna", "mara")
    plant_plan(core, unexamined, 2)
    results = render_all(core, [unplanned, unexamined])
    assert [(r.outcome, r.waits_for) for r in results] == [
        ("blocked", "content_plans"),
        ("blocked", "weights_exams"),
    ]


def test_an_image_that_a_person_refused_is_made_again_with_another_seed(core: Services) -> None:
    avatars = ready_avatars(core, "luna", shots=3)
    render_all(core, avatars)
    with core.database.begin() as session:
        session.execute(
            text(
                "UPDATE vixen.rendered_images SET selected = false, refusal = 'hands'"
                " WHERE id = (SELECT min(id) FROM vixen.rendered_images WHERE selected)"
            )
        )
    [result] = render_all(core, avatars)
    assert result.outcome == "made"
    assert selected(core) == 3
    [refused] = rows(core, "SELECT * FROM vixen.rendered_images WHERE refusal IS NOT NULL")
    [successor] = rows(
        core,
        "SELECT * FROM vixen.rendered_images WHERE shot_id = :shot AND selected",
        shot=refused.shot_id,
    )
    assert successor.attempt > refused.attempt
    assert successor.seed != refused.seed
    assert result.metadata["rejected_by_reason"].value["review"] == 1  # type: ignore[index]


def test_drift_is_told_against_the_exam_first_and_then_against_the_last_plan(
    core: Services,
) -> None:
    [avatar] = ready_avatars(core, "luna", shots=3)
    [first] = render_all(core, [avatar])
    drift = next(check for check in first.checks if check.name == "images_drift")
    assert "of the exam 0.930" in drift.description
    complete_plan(core, number(core, "SELECT id FROM vixen.content_plans"))
    plant_plan(core, avatar, 3, number=2)
    [second] = render_all(core, [avatar])
    drift = next(check for check in second.checks if check.name == "images_drift")
    assert "of plan 1 " in drift.description
    assert not drift.blocking


def test_a_prompt_without_a_verdict_of_moderation_is_never_paid_for(
    core: Services, sandbox: Sandbox
) -> None:
    [luna, mara] = ready_avatars(core, "luna", "mara", shots=2)
    with core.database.begin() as session:
        session.execute(
            text("UPDATE vixen.content_shots SET moderation = '{}' WHERE avatar_id = :id"),
            {"id": luna.id},
        )
    refused, made = render_all(core, [luna, mara])
    assert refused.outcome == "failed" and refused.permanent
    assert "did not pass moderation" in str(refused.error)
    assert made.outcome == "made"
    assert PASSES["flagged"] is False
    assert number(
        core, "SELECT count(*) FROM vixen.rendered_images WHERE avatar_id = :id", id=luna.id
    ) == 0  # fmt: skip
    assert "--end" in str(refused.next_step)
    end_plan(core, luna.key, 1)
    plant_plan(core, luna, 2, number=2)
    [result] = render_all(core, [luna])
    assert result.outcome == "made", "a plan that cannot be made holds up no other one"


def test_progress_tells_how_many_shots_are_filled(core: Services) -> None:
    from vixen_pipeline.content.images import run_content_images

    [avatar] = ready_avatars(core, "luna", shots=4)
    told: list[StageProgress] = []
    run_content_images(core, [avatar.key], told.append)
    assert told[-1] == StageProgress("content_images", avatar.key, 4, 4)
    assert [step.done for step in told] == sorted(step.done for step in told)


def test_money_that_is_spent_is_not_held_back_as_well(core: Services) -> None:
    from vixen_pipeline.content.images import run_content_images

    [avatar] = ready_avatars(core, "luna", shots=32)
    held: list[Decimal] = []

    def look(_: StageProgress) -> None:
        [row] = rows(core, "SELECT sum(usd) AS usd FROM vixen.cost_reservations")
        held.append(row.usd)

    run_content_images(core, [avatar.key], look)
    assert held[-1] < held[0] / 2
    assert held == sorted(held, reverse=True)
