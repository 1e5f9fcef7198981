"""The held-out prompts: distinct, allowed, and nothing that weights could have been trained on."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from vixen_identity import spec_document

import vixen_pipeline.content
from vixen_pipeline.content.exam_prompts import FRAMINGS, MOST, SCENES, exam_prompts, exam_seed
from vixen_pipeline.identity.plan import VALUES
from vixen_pipeline.identity.spec import AvatarSpec
from vixen_pipeline.safety.policy import Door, require_text

TEMPLATES = Path(vixen_pipeline.content.__file__).parent / "templates"


def prompts(count=MOST, **changes):
    return exam_prompts(AvatarSpec.model_validate(spec_document(**changes)), "vxn_luna", count)


def test_all_prompts_differ_and_all_framings_are_asked_for():
    assert len(set(prompts())) == MOST == 64
    framings = Counter(prompt.split(", ")[1].split(" photograph")[0] for prompt in prompts(8))
    assert framings == dict.fromkeys(FRAMINGS, 2)


@pytest.mark.parametrize("presentation", ["woman", "man", "androgynous"])
def test_the_policy_allows_every_prompt(presentation):
    looks = {**spec_document()["appearance"], "presentation": presentation}
    for prompt in prompts(appearance=looks):
        require_text(prompt, Door.PROMPT)
        assert "27-year-old adult" in prompt


def test_no_prompt_says_what_only_the_weights_may_know():
    looks = re.compile(r"\b(hair|eyes?|complexion|copper|olive|beard)\b")
    assert [prompt for prompt in prompts() if looks.search(prompt)] == []


def test_no_scene_is_in_the_template_library_or_in_a_training_plan():
    library = "\n".join(path.read_text() for path in sorted(TEMPLATES.glob("*.yaml")))
    assert library, "the template library is where this test looks for it"
    known = library + "\n".join(VALUES["background"])
    assert [scene for scene in SCENES if scene in known] == []
    nouns = {scene.split()[-1] for scene in SCENES}
    assert len(nouns) == len(SCENES)


def test_a_seed_belongs_to_one_try_of_one_prompt_of_one_exam():
    seeds = {exam_seed(digest, n, t) for digest in "ab" for n in range(64) for t in range(6)}
    assert len(seeds) == 2 * 64 * 6
    assert all(0 < seed < 2**31 for seed in seeds)
