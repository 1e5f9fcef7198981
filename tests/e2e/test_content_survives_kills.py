"""kill -9 of the content drain, at its costly steps: the avatar still gets its pieces, once."""

from __future__ import annotations

import pytest
from avatar_facts import READY_S, add_sister, recorded_stages
from instance import QUICK, Instance
from kill_windows import answer_withheld, before_commit, call_is_under_way, someone_waits
from vixen_testkit import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

JOB = "content_drain"
GENERATE = "POST /generate"
PIECES = int(QUICK["VIXEN_CONTENT_PIECES"])
STAGES = {"weights_exams", "content_plans", "content_images", "content_copy", "content_pieces"}


def test_the_content_drain_is_killed_at_each_costly_step(instance: Instance) -> None:
    with answer_withheld(instance, "modal", GENERATE):
        key = add_sister(instance, "luna-rivers", "content-kills")
        call_is_under_way(instance, "content.exam_images")
        instance.kill_run_worker(JOB)
    with answer_withheld(instance, "modal", GENERATE):
        call_is_under_way(instance, "content.images")
        instance.kill_run_worker(JOB)
    for table in ("vixen.content_copies", "vixen.content_pieces"):
        with before_commit(instance, table):
            someone_waits(instance, table)
            instance.kill_run_worker(JOB)
    assert_pieces_exactly_once(instance, key)


def assert_pieces_exactly_once(instance: Instance, key: str) -> None:
    """Every shot has one image, one still and words for both platforms; nothing is paid twice."""
    status = "SELECT status, pieces_ready FROM report.content_status WHERE avatar = %s"
    wait_until(lambda: instance.rows(status, key)[0]["status"] == "ready", seconds=READY_S)
    whose = " JOIN vixen.avatars a ON a.id = x.avatar_id WHERE a.key = %s"
    stills = instance.rows(
        f"SELECT x.shot_id, x.image_id FROM vixen.content_pieces x {whose} AND x.format = 'still'",
        key,
    )
    assert len(stills) == PIECES
    assert len({row["shot_id"] for row in stills}) == PIECES
    chosen = f"SELECT count(*) FROM vixen.content_copies x {whose} AND x.chosen"
    assert instance.value(chosen, key) == 2 * PIECES
    unsettled = "SELECT x.kind, x.state FROM vixen.effects x"
    in_doubt = " AND x.state IN ('intended', 'dispatched', 'unknown')"
    assert instance.rows(unsettled + whose + in_doubt, key) == []
    paid = instance.rows(
        "SELECT e.id, count(c.id) AS entries FROM vixen.effects e"
        " LEFT JOIN vixen.cost_entries c ON c.effect_id = e.id"
        " JOIN vixen.avatars a ON a.id = e.avatar_id"
        " WHERE a.key = %s AND e.provider = 'modal' AND e.state = 'confirmed' GROUP BY e.id",
        key,
    )
    assert paid and all(row["entries"] == 1 for row in paid), paid
    wait_until(lambda: recorded_stages(instance, key) >= STAGES, seconds=60, every=0.5)
