"""The shot plan: what it promises, it keeps for every seed and size."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vixen_pipeline.identity.plan import (
    DIMENSIONS,
    FRAMING_SHARES,
    VALUES,
    coverage,
    coverage_gaps,
    plan_shots,
    required_counts,
)


@settings(max_examples=60, deadline=None)
@given(seed=st.text(max_size=20), count=st.integers(1, 120))
def test_every_plan_keeps_the_promised_coverage_and_has_no_equal_shots(seed, count):
    shots = plan_shots(seed, count)
    assert [shot.number for shot in shots] == list(range(count))
    assert len({shot.values() for shot in shots}) == count
    assert coverage_gaps(shots, count) == []
    for name, counts in coverage(shots).items():
        assert sum(counts.values()) == count
        if name != "framing":
            assert max(counts.values()) - min(counts.values()) <= 1


@settings(max_examples=4, deadline=None)
@given(seed=st.text(max_size=5))
def test_the_largest_plan_has_no_equal_shots_either(seed):
    assert len({shot.values() for shot in plan_shots(seed, 500)}) == 500


def test_fifty_shots_split_forty_thirty_twenty_ten_over_the_framings():
    assert list(coverage(plan_shots("luna", 50))["framing"].values()) == [20, 15, 10, 5]
    assert sum(FRAMING_SHARES.values()) == 100


def test_the_same_seed_gives_the_same_plan_and_another_seed_another():
    assert plan_shots("luna", 50) == plan_shots("luna", 50)
    assert plan_shots("luna", 50) != plan_shots("iris", 50)


def test_a_pair_of_values_is_never_bound_together_in_fifty_shots():
    shots = plan_shots("luna", 50)
    for expression in VALUES["expression"]:
        lights = {shot.lighting for shot in shots if shot.expression == expression}
        assert len(lights) >= 4  # of six or seven shots


def test_gaps_are_named_when_a_shot_is_missing():
    shots = plan_shots("luna", 50)
    gaps = coverage_gaps(shots[:40], 50)
    assert gaps and all(" of at least " in line for line in gaps)
    assert set(required_counts(50)) == set(DIMENSIONS)


@pytest.mark.parametrize("count", [0, 501])
def test_a_count_out_of_range_is_refused(count):
    with pytest.raises(ValueError, match="1 to 500"):
        plan_shots("luna", count)
