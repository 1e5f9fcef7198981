"""kill -9 of the process that makes content, in every window: nothing lost, doubled, paid twice."""

from __future__ import annotations

import random
import subprocess
import time

import pytest
from content_kit_kills import (
    SMALL,
    each_shot_has_its_words,
    each_shot_has_one_image,
    each_shot_has_one_piece,
    kill_before_write,
    made,
    number,
    paid_once,
    ready_avatars,
    run_and_die,
    run_apart,
)

from vixen_pipeline.services import Services

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

SHOTS = 6
OF_COPY = " AND kind LIKE 'content.cop%'"
ONE_BY_ONE = {"modal_batch": 1, "modal_concurrency": 1}
"""Calls in turn, so that a run has made no more of them than its window says when it is killed."""
CALL_WINDOWS = ["dispatched", "called", "saved", "dispatched:2", "called:2"]


@pytest.fixture
def core(settings, database, sandbox):
    with Services(settings.model_copy(update=dict(SMALL)), database=database) as services:
        yield services


@pytest.fixture
def luna(core, sandbox):
    (avatar,) = ready_avatars(core, sandbox, "luna")
    return avatar.key


def up_to(core, key: str, *stages: str) -> None:
    for stage in stages:
        made(core, stage, key)


def test_images_are_paid_for_once_whatever_is_killed(core, luna, sandbox):
    up_to(core, luna, "weights_exams", "content_plans")
    for point in CALL_WINDOWS:
        run_and_die(core, "content_images", luna, point=point, **ONE_BY_ONE)
    made(core, "content_images", luna)
    each_shot_has_one_image(core, SHOTS)
    paid_once(core, sandbox)


@pytest.mark.parametrize("table", ["vixen.rendered_images", "vixen.cost_entries"])
def test_images_are_paid_for_once_when_their_rows_were_not_written(core, luna, sandbox, table):
    up_to(core, luna, "weights_exams", "content_plans")
    kill_before_write(core, table, "content_images", luna)
    made(core, "content_images", luna)
    each_shot_has_one_image(core, SHOTS)
    paid_once(core, sandbox)


def test_a_killed_exam_of_weights_is_paid_for_once(core, luna, sandbox):
    for point in CALL_WINDOWS[:3]:
        run_and_die(core, "weights_exams", luna, point=point, **ONE_BY_ONE)
    kill_before_write(core, "vixen.weights_exams", "weights_exams", luna)
    made(core, "weights_exams", luna)
    assert number(core, "SELECT count(*) FROM vixen.weights_exams WHERE chosen") == 1
    paid_once(core, sandbox)


def test_a_killed_plan_is_whole_or_not_there(core, luna):
    up_to(core, luna, "weights_exams")
    kill_before_write(core, "vixen.content_shots", "content_plans", luna)
    assert number(core, "SELECT count(*) FROM vixen.content_shots") == 0
    made(core, "content_plans", luna)
    assert (
        number(core, "SELECT count(*) FROM vixen.content_plans WHERE planned_at > '-infinity'") == 1
    )
    assert number(core, "SELECT count(*) FROM vixen.content_shots") == SHOTS


def test_killed_copy_is_written_once_and_paid_at_most_once_more(core, luna, sandbox):
    up_to(core, luna, "weights_exams", "content_plans", "content_images")
    before = text_calls(sandbox)
    run_and_die(core, "content_copy", luna, point="called")
    kill_before_write(core, "vixen.content_copies", "content_copy", luna)
    made(core, "content_copy", luna)
    each_shot_has_its_words(core, SHOTS)
    kept = number(core, "SELECT count(*) FROM vixen.effects WHERE result IS NOT NULL" + OF_COPY)
    assert kept >= 2
    assert text_calls(sandbox) - before == kept + 1, "one answer was lost, by the first kill"
    doubled = (
        "SELECT count(*) FROM (SELECT 1 FROM vixen.content_copies"
        " GROUP BY shot_id, platform, round, variant HAVING count(*) > 1) d"
    )
    assert number(core, doubled) == 0


def text_calls(sandbox) -> int:
    return sandbox.control.state()["calls"].get("anthropic POST /v1/messages", 0)


@pytest.mark.parametrize("table", ["vixen.content_pieces", "vixen.piece_files"])
def test_killed_pieces_are_made_once(core, luna, table):
    up_to(core, luna, "weights_exams", "content_plans", "content_images", "content_copy")
    kill_before_write(core, table, "content_pieces", luna)
    made(core, "content_pieces", luna)
    each_shot_has_one_piece(core, SHOTS)
    before = number(core, "SELECT count(*) FROM vixen.piece_files")
    made(core, "content_pieces", luna)
    assert number(core, "SELECT count(*) FROM vixen.piece_files") == before


@pytest.mark.parametrize("seed", [1, 2])
def test_the_chain_survives_kills_at_any_moment(core, sandbox, seed):
    """Two avatars through all stages, killed again and again after random times."""
    keys = [avatar.key for avatar in ready_avatars(core, sandbox, "luna", "kai")]
    dice = random.Random(seed)
    sandbox.control.latency("modal_work", 0.1)
    kills = 0
    for turn in range(40):  # each lives a little longer, so that the slowest machine gets on
        with run_apart(core, "chain", *keys) as apart:
            try:
                apart.process.wait(timeout=dice.uniform(2.5, 5.0) + turn / 3)
            except subprocess.TimeoutExpired:
                kills += 1
        if ready(core) == len(keys):
            break
    else:
        raise AssertionError("not ready after 40 runs")
    assert kills >= 2, "the kills came too late to hit anything"
    each_shot_has_one_image(core, 2 * SHOTS)
    each_shot_has_its_words(core, 2 * SHOTS)
    each_shot_has_one_piece(core, 2 * SHOTS)
    paid_once(core, sandbox)


def ready(core) -> int:
    begun = time.monotonic()
    count = number(core, "SELECT count(*) FROM report.content_status WHERE status = 'ready'")
    assert time.monotonic() - begun < 10
    return count
