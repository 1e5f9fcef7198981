"""What goes wrong with single images and whole answers: replaced, told by name, counted exactly."""

from __future__ import annotations

import pytest
from content_kit_images import number, ready_avatars, render_all, rows, selected, unusable
from sqlalchemy import text

from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "CUDA out of memory"),
        ("flagged", "safety checker"),
        ("corrupt", "damaged on the way"),
        ("truncated", "damaged or cut off"),
        ("gif", "is a GIF"),
        ("tiny", "blank"),
        ("bomb", "pixels"),
        ("black", "black"),
        ("doubled", "twice in the answer"),
    ],
)
def test_an_image_that_cannot_be_used_is_named_and_replaced(
    core: Services, sandbox: Sandbox, kind: str, reason: str
) -> None:
    avatars = ready_avatars(core, "luna", shots=3)
    sandbox.control.fault("modal", kind)
    [result] = render_all(core, avatars)
    assert result.outcome == "made"
    assert selected(core) == 3
    [said] = unusable(core)
    assert reason in said
    assert result.metadata["rejected_by_reason"].value["unusable"] == 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("stranger", "identity"),
        ("blurry", "sharpness"),
        ("nsfw", "moderation"),
        ("duplicate", "duplicate"),
    ],
)
def test_an_image_that_is_not_good_enough_is_replaced(
    core: Services, sandbox: Sandbox, kind: str, reason: str
) -> None:
    avatars = ready_avatars(core, "luna", shots=4)
    # Twice, because the first picture of a call cannot be a duplicate of itself.
    sandbox.control.fault("modal", kind, count=2)
    [result] = render_all(core, avatars)
    assert result.outcome == "made"
    assert selected(core) == 4
    rejected = result.metadata["rejected_by_reason"].value
    assert isinstance(rejected, dict)
    assert reason in rejected
    assert unusable(core) == []


def test_a_picture_that_nobody_asked_for_changes_nothing(core: Services, sandbox: Sandbox) -> None:
    avatars = ready_avatars(core, "luna", shots=2)
    sandbox.control.fault("modal", "stranger_id", count=2)
    [result] = render_all(core, avatars)
    assert result.outcome == "made"
    assert number(core, "SELECT count(*) FROM vixen.rendered_images") == 2


@pytest.mark.parametrize(
    ("kind", "phase"),
    [
        ("crash", "before"),
        ("other_request", "before"),
        ("rate_limit", "before"),
        ("error", "before"),
        ("error", "after"),
        ("drop_reply", "before"),
        ("drop_reply", "after"),
    ],
)
def test_a_lost_or_wrong_answer_is_had_again_and_paid_once(
    core: Services, sandbox: Sandbox, kind: str, phase: str
) -> None:
    avatars = ready_avatars(core, "luna", shots=4)
    sandbox.control.fault("modal", kind, phase=phase, seconds=0.1)
    [result] = render_all(core, avatars)
    assert result.outcome == "made"
    assert selected(core) == 4
    assert unusable(core) == []
    paid = sandbox.control.state()["modal"]
    assert paid["images"] == number(core, "SELECT count(*) FROM vixen.rendered_images")
    assert paid["runs"] == number(core, "SELECT count(*) FROM vixen.effects WHERE provider='modal'")


def test_cold_starts_and_long_runs_fail_nothing(core: Services, sandbox: Sandbox) -> None:
    avatars = ready_avatars(core, "luna", shots=4)
    sandbox.control.latency("modal_work", 0.4)
    sandbox.control.latency("modal_redirect", 0.1)
    [result] = render_all(core, avatars)
    assert result.outcome == "made"
    assert sandbox.control.state()["modal"] == {"runs": 2, "images": 4}


def test_tries_that_are_used_up_fail_the_plan_by_name_and_a_person_gets_as_many_again(
    core: Services, sandbox: Sandbox
) -> None:
    avatars = ready_avatars(core, "luna", shots=2)
    sandbox.control.fault("modal", "blurry", count=None)
    [failed] = render_all(core, avatars)
    assert (failed.outcome, failed.permanent) == ("failed", True)
    assert "plan 1: 0 of 2 images accepted after 8 tries for each shot" in str(failed.error)
    assert "sharpness 16x" in str(failed.error)
    assert {check.name: check.passed for check in failed.checks}["images_complete"] is False
    sandbox.control.clear_faults()
    [stands] = render_all(core, avatars)
    assert stands.outcome == "failed"
    assert selected(core) == 0
    with core.database.begin() as session:
        session.execute(text("DELETE FROM vixen.stage_attempts"))
    [made] = render_all(core, avatars)
    assert made.outcome == "made"
    assert {row.attempt for row in rows(core, "SELECT * FROM vixen.rendered_images WHERE selected")
            } == {9}  # fmt: skip


@pytest.mark.long
def test_at_ten_percent_of_failures_the_count_is_still_exact(
    core: Services, sandbox: Sandbox
) -> None:
    avatars = ready_avatars(core, "luna", "mara", "nora", shots=12)
    for kind in ("missing", "truncated"):
        sandbox.control.fault("modal", kind, count=None, probability=0.05)
    for kind in ("error", "drop_reply"):
        sandbox.control.fault("modal", kind, count=None, probability=0.05, phase="after")
    results = render_all(core, avatars)
    assert [result.outcome for result in results] == ["made"] * 3
    per_avatar = rows(
        core,
        "SELECT avatar_id, count(*) AS images, count(DISTINCT shot_id) AS shots"
        " FROM vixen.rendered_images WHERE selected GROUP BY 1",
    )
    assert [(row.images, row.shots) for row in per_avatar] == [(12, 12)] * 3
    assert len(unusable(core)) > 0
    paid = sandbox.control.state()["modal"]
    assert paid["images"] == number(core, "SELECT count(*) FROM vixen.rendered_images")
