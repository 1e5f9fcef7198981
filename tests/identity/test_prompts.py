"""Captions hold the shot and nothing of the person; prompts hold both."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vixen_identity import spec_document

from vixen_pipeline.identity.image_prompts import telling_prompts
from vixen_pipeline.identity.image_tasks import Slot
from vixen_pipeline.identity.plan import VALUES, plan_shots
from vixen_pipeline.identity.prompts import (
    caption,
    dataset_prompt,
    portrait_prompt,
    seed_of,
    trigger_word,
)
from vixen_pipeline.identity.spec import AvatarSpec
from vixen_pipeline.safety.policy import Door, check_text

NAMED = """
hair blonde blond brunette redhead red copper auburn ginger curly wavy straight braid ponytail bangs
eye eyes green-eyed blue-eyed brown-eyed hazel skin pale fair tan tanned olive freckles freckled
mole scar tattoo dimples lips nose jaw cheekbones beard build slim athletic curvy muscular tall
short petite woman man girl boy lady guy female male person people she he her his they age aged old
young year years adult teen pretty beautiful handsome attractive gorgeous dress shirt wearing outfit
"""
IDENTITY_WORDS = set(re.findall(r"\S+", NAMED))


def test_no_caption_ever_names_anything_of_the_person():
    for shot in plan_shots("any", 200):
        words = set(re.findall(r"[a-z-]+", caption("luna", shot).removeprefix("vxn_luna")))
        assert not words & IDENTITY_WORDS


def test_no_value_of_the_plan_holds_a_word_about_identity():
    for values in VALUES.values():
        for value in values:
            assert not set(re.findall(r"[a-z]+", value)) & IDENTITY_WORDS


def test_a_caption_starts_with_the_trigger_word_and_says_enough():
    for shot in plan_shots("any", 50):
        line = caption("luna-rivers", shot)
        assert line.startswith("vxn_luna_rivers, ")
        assert line == line.lower()
        assert len(line.split()) >= 8
        assert all(value in line for value in shot.values())


def test_captions_of_different_shots_differ():
    shots = plan_shots("any", 100)
    assert len({caption("luna", shot) for shot in shots}) == 100


@given(a=st.text(), b=st.text())
def test_seeds_fit_31_bits_and_follow_the_key(a, b):
    assert 0 < seed_of(a) < 2**31
    if a == b:
        assert seed_of(a) == seed_of(b)


def test_trigger_words_of_different_handles_differ():
    assert trigger_word("luna") != trigger_word("luna-2")


@pytest.mark.parametrize("number", range(4))
def test_prompts_pass_the_policy_and_a_few_tell_what_all_say(number):
    spec = AvatarSpec.model_validate(spec_document("luna", number))
    assert check_text(portrait_prompt(spec), Door.PROMPT) == []
    shots = plan_shots("any", 50)
    prompts = [dataset_prompt(spec, shot) for shot in shots]
    assert not [prompt for prompt in prompts if check_text(prompt, Door.PROMPT)]
    slots = [Slot(s.number, p, s.as_json(), None) for s, p in zip(shots, prompts, strict=True)]
    collection = SimpleNamespace(slots=slots)
    told = telling_prompts(collection)
    assert len(told) == len(spec.appearance.wardrobe)
    assert all(any(outfit in prompt for prompt in told) for outfit in spec.appearance.wardrobe)
