"""Small plots for metadata, the tier rule, and the words of disclosure."""

from __future__ import annotations

import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vixen_pipeline.db.models.pieces import TIERS
from vixen_pipeline.errors import InvalidInput
from vixen_pipeline.pictures.contact_sheet import markdown_image
from vixen_pipeline.pictures.plots import bars_png, histogram_png
from vixen_pipeline.safety.disclosure import disclosure_problem
from vixen_pipeline.safety.disclosure_texts import PLATFORMS, disclosure_text, languages
from vixen_pipeline.safety.tiers import LIMITS, is_tightened_only, judge_tier


@pytest.mark.parametrize(
    "png",
    [
        histogram_png([0.8, 0.9, 0.91], "scores", 0.84),
        histogram_png([1.0], "one"),
        histogram_png([], "none"),
        bars_png({"public": 30, "premium": 15, "exclusive": 5}, "tiers"),
        bars_png({}, "none"),
        bars_png({str(number): number for number in range(40)}, "many" * 40),
    ],
)
def test_plots_are_small_pictures(png):
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG" and image.size == (360, 180) and len(png) < 8000
    assert markdown_image(png, "plot").startswith("![plot](data:image/png;base64,")


def test_a_larger_value_is_a_higher_bar():
    image = Image.open(io.BytesIO(bars_png({"a": 1, "b": 9}, "t"))).convert("RGB")
    blue = (74, 111, 165)
    columns = [sum(image.getpixel((x, y)) == blue for y in range(180)) for x in (90, 270)]
    assert columns[1] > 5 * columns[0] > 0


def test_every_line_of_disclosure_says_ai_in_every_language():
    for platform, language in itertools.product(PLATFORMS, languages()):
        assert disclosure_problem(disclosure_text(platform, language)) is None


def test_a_region_has_its_languages_words_and_an_unknown_language_english():
    assert disclosure_text("tiktok", "pt-BR") == disclosure_text("tiktok", "pt")
    assert disclosure_text("tiktok", "pt_BR") == disclosure_text("tiktok", "pt")
    assert disclosure_text("instagram", "xx") == disclosure_text("instagram", "en")


def test_a_platform_without_words_is_an_error_not_silence():
    with pytest.raises(InvalidInput):
        disclosure_text("elsewhere", "en")


scores = st.lists(
    st.dictionaries(
        st.sampled_from([*LIMITS["public"], "hate"]), st.floats(0, 1), min_size=1, max_size=4
    ),
    min_size=1,
    max_size=3,
)


@given(st.sampled_from(TIERS), scores)
def test_no_scores_ever_widen_a_tier(declared, measured):
    verdict = judge_tier(declared, measured)
    assert is_tightened_only(declared, verdict.tier)
    assert (verdict.reason is None) == (verdict.tier == declared)


@given(st.sampled_from(TIERS), scores, st.floats(0, 1))
def test_a_worse_score_never_gives_a_wider_tier(declared, measured, more):
    before = judge_tier(declared, measured).tier
    after = judge_tier(declared, [*measured, {"sexual": more}]).tier
    assert TIERS.index(after) >= TIERS.index(before)


def test_a_score_that_is_no_number_does_not_pass():
    assert judge_tier("public", [{"sexual": float("nan")}]).tier == "exclusive"


def test_what_was_not_measured_has_no_tier():
    for measured in ([], [{}], [{"sexual": 0.1}, {}]):
        with pytest.raises(ValueError, match="not measured"):
            judge_tier("public", measured)
