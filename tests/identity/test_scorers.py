"""Identity scorers: what they tell apart, and what they say when they cannot measure."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from vixen_identity import spec_document

from vixen_pipeline.errors import SettingsMissing
from vixen_pipeline.identity.plan import plan_shots
from vixen_pipeline.identity.prompts import dataset_prompt, portrait_prompt
from vixen_pipeline.identity.spec import AvatarSpec
from vixen_pipeline.pictures.files import open_picture
from vixen_pipeline.pictures.quality import IDENTITY_THRESHOLDS, Thresholds, sharpness_of
from vixen_pipeline.pictures.scorers import build_scorer
from vixen_pipeline.pictures.scorers_appearance import AppearanceScorer
from vixen_pipeline.pictures.scorers_dlib import DlibScorer, dlib_installed
from vixen_pipeline.sandbox.drawing import Order, draw
from vixen_pipeline.sandbox.drawing_look import look_from_prompt, stranger_to

LEAST = IDENTITY_THRESHOLDS["appearance"]


def drawn(prompt, seed, look, kind="portrait"):
    return open_picture(draw(Order(prompt, seed, 1024, 1024, look, kind=kind)))


@pytest.fixture(scope="module", params=[0, 1, 2, 3])
def person(request):
    """(spec, look, the description of the reference portrait) of four unlike people."""
    spec = AvatarSpec.model_validate(spec_document("luna", request.param))
    prompt = portrait_prompt(spec)
    look = look_from_prompt(prompt)
    return spec, look, AppearanceScorer().describe(drawn(prompt, 7, look))


def test_the_same_person_passes_and_strangers_mostly_do_not(person):
    spec, look, reference = person
    scorer = AppearanceScorer()
    same, strangers = [], []
    for shot in plan_shots(spec.key, 10):
        prompt = dataset_prompt(spec, shot)
        picture = drawn(prompt, shot.number, look)
        same.append(scorer.similarity(reference, scorer.describe(picture)))
        assert sharpness_of(picture) > Thresholds().min_sharpness
        other = drawn(prompt, shot.number, stranger_to(look, shot.number))
        strangers.append(scorer.similarity(reference, scorer.describe(other)))
    assert sum(score >= LEAST for score in same) >= 9, sorted(same)
    assert sum(score >= LEAST for score in strangers) <= 1, sorted(strangers)


@pytest.mark.parametrize("framing", ["bust", "half body", "full body"])
def test_the_same_person_is_found_in_a_tall_picture(person, framing):
    _, look, reference = person
    scorer = AppearanceScorer()
    scores = []
    for seed in range(6):
        prompt = f"{framing} photograph, slight left turn, soft window light, plain wall"
        picture = open_picture(draw(Order(prompt, seed, 896, 1152, look)))
        scores.append(scorer.similarity(reference, scorer.describe(picture)))
    assert sum(score >= LEAST for score in scores) >= 5, sorted(scores)


def test_a_blurred_picture_is_not_sharp(person):
    spec, look, _ = person
    for shot in plan_shots(spec.key, 4):
        blurred = drawn(dataset_prompt(spec, shot), shot.number, look, "blurry")
        assert sharpness_of(blurred) < Thresholds().min_sharpness / 4


def test_a_picture_resembles_itself_most_and_scores_stay_between_0_and_1():
    scorer = AppearanceScorer()
    dice = np.random.default_rng(3)
    pictures = []
    for _ in range(4):
        small = Image.fromarray(dice.integers(0, 255, (8, 8, 3), np.uint8))
        out = io.BytesIO()
        small.resize((400, 300), Image.Resampling.NEAREST).save(out, "PNG")
        pictures.append(scorer.describe(open_picture(out.getvalue())))
    for one in pictures:
        scores = [scorer.similarity(one, other) for other in pictures]
        assert all(0 <= score <= 1 for score in scores)
        assert scorer.similarity(one, one) == max(scores) == pytest.approx(1.0)


def test_the_default_needs_no_extra_and_dlib_names_the_one_it_needs(settings, monkeypatch):
    assert build_scorer(settings).name == "appearance"
    monkeypatch.setattr("vixen_pipeline.pictures.scorers_dlib.dlib_installed", lambda: False)
    with pytest.raises(SettingsMissing) as raised:
        build_scorer(settings.model_copy(update={"identity_scorer": "dlib"}))
    assert "vixen-pipeline[faces]" in raised.value.problems[0]


@pytest.mark.skipif(not dlib_installed(), reason="the extra `faces` is not installed")
def test_dlib_finds_no_face_in_noise_and_says_not_measured():
    dice = np.random.default_rng(3)
    out = io.BytesIO()
    Image.fromarray(dice.integers(0, 255, (300, 300, 3), np.uint8)).save(out, "PNG")
    assert DlibScorer().describe(open_picture(out.getvalue())) is None
