"""Captions hold the shot and nothing of the person; prompts hold both."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from vixen_pipeline.identity.plan import VALUES, plan_shots
from vixen_pipeline.identity.prompts import caption, seed_of, trigger_word

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
