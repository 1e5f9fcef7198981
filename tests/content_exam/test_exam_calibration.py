"""The thresholds of identity lie between one person and others, over the sandbox's drawings."""

from __future__ import annotations

import pytest
from vixen_identity import LOOKS, spec_document

from vixen_pipeline.content.exam_prompts import exam_prompts, exam_seed
from vixen_pipeline.content.exam_rule import (
    IDENTITY_MEAN,
    IDENTITY_P10,
    MIN_DIVERSITY,
    figures,
)
from vixen_pipeline.db.models import RenderedImage
from vixen_pipeline.identity.prompts import portrait_prompt
from vixen_pipeline.identity.spec import AvatarSpec
from vixen_pipeline.pictures.files import open_picture
from vixen_pipeline.pictures.quality import difference_hash
from vixen_pipeline.pictures.scorers_appearance import AppearanceScorer
from vixen_pipeline.sandbox.drawing import Order, draw
from vixen_pipeline.sandbox.drawing_look import look_from_prompt
from vixen_pipeline.sandbox.lora_learnt import Learnt

PASSES = {"flagged": False, "categories": [], "scores": {}, "model": "m"}


@pytest.fixture(scope="module")
def measured():
    """Figures by (person, what went wrong): two people, four prompts each."""
    scorer = AppearanceScorer()
    found = {}
    for number in range(2):
        spec = AvatarSpec.model_validate(spec_document(number=number))
        words = portrait_prompt(spec)
        good = Learnt(look_from_prompt(words))
        reference = scorer.describe(open_picture(draw(Order(words, 5, 768, 768, good.look))))
        for kind in ("good", "stranger", "same"):
            learnt, rows = good.spoiled(kind), []
            for at, prompt in enumerate(exam_prompts(spec, "vxn_luna", 4)):
                order = Order(prompt, exam_seed("test", at, 0), 896, 1152, learnt.look)
                picture = open_picture(learnt.paint(order))
                score = scorer.similarity(reference, scorer.describe(picture))
                phash = difference_hash(picture)
                rows.append(RenderedImage(phash=phash, identity_score=score, moderation=PASSES))
            found[number, kind] = figures(rows, 4, [])
    return found


def of(measured, kind, figure):
    return [values[figure] for (_, each), values in measured.items() if each == kind]


@pytest.mark.parametrize(
    ("figure", "threshold"),
    [("identity_mean", IDENTITY_MEAN), ("identity_p10", IDENTITY_P10)],
)
def test_identity_parts_the_right_person_from_strangers(measured, figure, threshold):
    assert len(LOOKS) >= 2
    least = threshold["appearance"]
    assert min(of(measured, "good", figure)) >= least + 0.02
    assert max(of(measured, "stranger", figure)) <= least - 0.02


def test_diversity_parts_weights_that_draw_from_those_that_repeat(measured):
    assert min(of(measured, "good", "diversity")) >= MIN_DIVERSITY + 6
    assert max(of(measured, "same", "diversity")) <= MIN_DIVERSITY - 6
