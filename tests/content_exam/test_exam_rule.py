"""The rule by which weights are judged: pure, with every "not measured" refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vixen_pipeline.content.exam_rule import (
    CLOSE,
    Candidate,
    ExamThresholds,
    choose,
    figures,
    identity_of,
    percentile_10,
    unfit_reasons,
)
from vixen_pipeline.db.models import RenderedImage, WeightsExam

RULE = ExamThresholds()
PASSES = {"flagged": False, "categories": [], "scores": {}, "model": "m"}


def exam(**changes):
    values = {
        "scorer": "appearance",
        "images": 8,
        "identity_mean": 0.9,
        "identity_p10": 0.85,
        "diversity": 30.0,
        "nearest_training": 14,
        "scores": {"asked": 8, "identity": [0.9] * 8, "nearest": [14] * 8, "flagged": []},
    }
    return WeightsExam(**{**values, **changes})


def kinds(row):
    return [reason.split(":")[0] for reason in unfit_reasons(row, RULE)]


def scores(**changes):
    return {"asked": 8, "identity": [0.9] * 8, "nearest": [14] * 8, "flagged": [], **changes}


def test_a_good_candidate_is_fit():
    assert unfit_reasons(exam(), RULE) == []


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"identity_mean": 0.80}, "identity"),
        ({"identity_p10": 0.75}, "identity"),
        ({"identity_mean": None}, "identity"),
        ({"identity_mean": math.nan}, "identity"),
        ({"scorer": "unknown"}, "identity"),
        ({"diversity": 12.0}, "diversity"),
        ({"diversity": None}, "diversity"),
        ({"diversity": math.nan}, "diversity"),
        ({"images": 5}, "images"),
        ({"images": None}, "images"),
        ({"scores": None}, "images"),
        ({"scores": scores(nearest=[])}, "memorised"),
        ({"scores": scores(nearest=[3, 3, 3, 20, 20, 20, 20, 20])}, "memorised"),
        ({"scores": scores(flagged=["sexual"] * 3)}, "moderation"),
    ],
)
def test_what_is_too_low_or_not_measured_is_unfit(changes, kind):
    assert kind in kinds(exam(**changes)), unfit_reasons(exam(**changes), RULE)


def test_one_near_copy_is_no_reason_to_refuse():
    assert kinds(exam(scores=scores(nearest=[3, *[20] * 7]))) == []


def test_no_fit_candidate_means_that_none_is_chosen():
    assert choose([Candidate(exam(diversity=1.0), None), Candidate(exam(images=0), 500)]) is None
    assert choose([]) is None


def test_of_level_candidates_the_more_diverse_and_then_the_earlier_is_chosen():
    final = Candidate(exam(identity_mean=0.905), None)
    diverse = Candidate(exam(diversity=31.0), 750)
    early = Candidate(exam(diversity=31.0), 500)
    assert choose([early, diverse, final]) is early
    assert choose([diverse, final]) is diverse


def test_a_clearly_better_likeness_beats_diversity():
    alike = Candidate(exam(identity_mean=0.95, identity_p10=0.92), 500)
    assert choose([Candidate(exam(diversity=33.0), None), alike]) is alike


unit = st.floats(0, 1)


@given(
    st.lists(
        st.tuples(unit, unit, st.floats(0, 40), st.integers(0, 8), st.integers(0, 40)),
        max_size=6,
    )
)
def test_the_chosen_one_is_fit_and_no_fit_one_is_clearly_better(drawn):
    candidates = [
        Candidate(
            exam(
                identity_mean=mean, identity_p10=p10, diversity=diversity, images=count,
                scores=scores(nearest=[nearest] * count),
            ),
            step,
        )
        for step, (mean, p10, diversity, count, nearest) in enumerate(drawn)
    ]  # fmt: skip
    fit = [each for each in candidates if not unfit_reasons(each.exam, RULE)]
    chosen = choose(candidates)
    assert (chosen is None) == (not fit)
    if chosen is not None:
        assert chosen in fit
        assert all(identity_of(each.exam) <= identity_of(chosen.exam) + CLOSE for each in fit)
        assert choose(list(reversed(candidates))) is chosen


def image(phash, score, flagged=False):
    verdict = {**PASSES, "flagged": flagged, "categories": ["sexual"] if flagged else []}
    return RenderedImage(phash=phash, identity_score=score, moderation=verdict)


def test_figures_are_those_of_the_images():
    rows = [image(0, 0.8), image(0b1111, 0.9), image(-1, 1.0, flagged=True)]
    found = figures(rows, 4, [0b11])
    assert found["images"] == 3
    assert found["identity_mean"] == pytest.approx(0.9)
    assert found["identity_p10"] == pytest.approx(0.82)
    assert found["diversity"] == pytest.approx((4 + 64 + 60) / 3)
    assert found["nearest_training"] == 2
    assert found["scores"]["nearest"] == [2, 2, 62]
    assert (found["scores"]["asked"], found["scores"]["flagged"]) == (4, ["sexual"])


def test_figures_of_nothing_are_not_measured():
    found = figures([], 4, [])
    assert [found[name] for name in ("identity_mean", "identity_p10", "diversity")] == [None] * 3
    assert found["nearest_training"] is None
    assert "images" in kinds(exam(**found))


@given(st.lists(unit, min_size=2, max_size=64))
def test_the_tenth_percentile_lies_among_the_lowest(values):
    found = percentile_10(values)
    assert min(values) - 1e-9 <= found <= sorted(values)[math.ceil(0.1 * (len(values) - 1))] + 1e-9
