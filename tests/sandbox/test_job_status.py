"""A job's status follows from its times alone, and never goes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from vixen_pipeline.sandbox.replicate_tables import billed_seconds, is_over, status_at, times

START = datetime(2026, 1, 1, tzinfo=UTC)
seconds = st.floats(0, 10_000)
moments = st.none() | seconds.map(lambda s: START + timedelta(seconds=s))
rows = st.fixed_dictionaries(
    {
        "created_at": st.just(START),
        "seconds": seconds,
        "done_at": moments,
        "outcome": st.sampled_from(["succeeded", "failed", "canceled", "aborted"]),
        "error": st.none() | st.just("broken"),
        "canceled_at": st.none(),
        "predict_time": st.just(1600.0),
    }
)
ORDER = {"starting": 0, "processing": 1}


@given(rows, st.lists(seconds, min_size=2, max_size=6))
def test_a_status_only_moves_forward_and_an_end_stays(row: dict, later: list[float]) -> None:
    seen = [status_at(row, START + timedelta(seconds=s)) for s in sorted(later)]
    ranks = [ORDER.get(status, 2) for status in seen]
    assert ranks == sorted(ranks)
    assert len({status for status in seen if is_over(status)}) <= 1


@given(rows, seconds, seconds)
def test_a_cancel_wins_and_bills_no_more_than_the_whole(row: dict, at: float, later: float) -> None:
    row["canceled_at"] = START + timedelta(seconds=at)
    now = row["canceled_at"] + timedelta(seconds=later)
    assert status_at(row, now) == "canceled"
    assert times(row, now)["completed_at"] == row["canceled_at"]
    assert 0 <= billed_seconds(row, now) <= row["predict_time"]


@given(rows, seconds)
def test_a_job_that_is_over_has_an_end_and_one_that_runs_has_none(row: dict, at: float) -> None:
    now = START + timedelta(seconds=at)
    assert (times(row, now)["completed_at"] is not None) == is_over(status_at(row, now))
