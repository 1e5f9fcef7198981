"""Wording and names written with letters that only look like Latin ones."""

from __future__ import annotations

import pytest

from vixen_pipeline.safety.policy import Door, Rule, check_text


def rules(text: str) -> set[Rule]:
    return {violation.rule for violation in check_text(text, Door.SPEC)}


@pytest.mark.parametrize(
    "text",
    [
        "сһіӏԁ",  # Cyrillic throughout
        "ТEEN",  # Cyrillic Т
        "tıny kıd",  # dotless i
        "ᴛᴇᴇɴ",  # small capitals
    ],
)
def test_a_minor_in_look_alike_letters_is_refused(text: str) -> None:
    assert Rule.APPARENT_MINOR in rules(text)


def test_a_name_in_look_alike_letters_is_refused() -> None:
    assert Rule.REAL_PERSON in rules("Tаylor Swift")  # Cyrillic а


@pytest.mark.parametrize(
    "text",
    [
        "lооks like Jane Doe",  # Cyrillic о
        "looks lіke Jane Doe",  # Cyrillic і
        "rеsembles Ana Petrova",  # Cyrillic е
        "looks\u200b li\u200bke Jane Doe",
        "lоokalike of jane doe",  # Cyrillic о
        "ｌｏｏｋｓ like Jane Doe",
    ],
)
def test_a_likeness_in_look_alike_letters_is_refused(text: str) -> None:
    assert Rule.REAL_PERSON in rules(text)


def test_a_likeness_in_plain_letters_is_named_once() -> None:
    found = check_text("looks like Jane Doe", Door.SPEC)
    assert [violation.matched for violation in found] == ["Jane Doe"]


@pytest.mark.parametrize("text", ["she is nineteen", "She's only 18", "born in 2010"])
def test_an_age_stated_without_the_word_age_is_refused(text: str) -> None:
    assert Rule.STATED_AGE in rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "she is one of the best",
        "she is twenty-five",
        "she is 10 minutes late",
        "she is 19 km from home",
        "born in 1998",
        "мама и кот",
    ],
)
def test_ordinary_wording_of_the_same_shape_passes(text: str) -> None:
    assert check_text(text, Door.SPEC) == []
