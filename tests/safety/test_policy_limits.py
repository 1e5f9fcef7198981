"""What a limit may name because it forbids it, and what it may not say besides."""

from __future__ import annotations

import pytest

from vixen_pipeline.safety.policy import Door, Rule, check_text


def rules(text: str, door: Door = Door.PROMPT) -> set[Rule]:
    return {violation.rule for violation in check_text(text, door)}


def test_a_limit_may_name_what_it_forbids() -> None:
    assert check_text("no nudity", Door.LIMIT) == []
    assert check_text("nudity", Door.LIMIT) == []
    assert check_text("never any content with minors", Door.LIMIT) == []
    assert check_text("no nudity", Door.SPEC) != []


@pytest.mark.parametrize(
    "text",
    [
        "never forget that she is a schoolgirl",
        "no clothes, she is a teen",
        "no clothes. Teen",
        "no limits: teen",
        "no clothes - teen",
        "she is a teen and never shy",
        "not only a teen",
        "never forgets being a teen",
        "never denies being a schoolgirl",
        "no adult but a teen",
        "no longer hides being a teen",
        "don't say she's a schoolgirl",
        "no\u200b clothes\nschoolgirl",
    ],
)
def test_a_limit_that_states_something_besides_is_refused(text: str) -> None:
    assert Rule.APPARENT_MINOR in rules(text, Door.LIMIT)


@pytest.mark.parametrize(
    "text",
    ["No minors", "never talks about children", "avoids any mention of minors.", "no teen content"],
)
def test_a_limit_that_only_forbids_passes(text: str) -> None:
    assert check_text(text, Door.LIMIT) == []
