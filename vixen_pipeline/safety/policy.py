"""The avatar policy: what is refused at which door. Ask here, whatever comes in or goes out.

Belongs here: doors, rules, the answer. Does not: the word lists (data/), model-based moderation
(moderation.py), AI disclosure (disclosure.py). No door is exempt from the rules on minors and on
real people; the one thing a door changes is what may be *named in order to forbid it*.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from vixen_pipeline.errors import PolicyRefused
from vixen_pipeline.safety.people import find_people, same_person
from vixen_pipeline.safety.wording import normalize, readings_of, word_list


class Door(StrEnum):
    """Where text passes. LIMIT is a list of what an avatar never does or talks about."""

    SPEC = "spec"
    LIMIT = "limit"
    PERSONA = "persona"
    PROMPT = "prompt"
    TEMPLATE = "template"
    CAPTION = "caption"
    CUSTOM_REQUEST = "custom_request"
    DM = "dm"


class Rule(StrEnum):
    """Stable names of the rules, for errors, records and reports."""

    APPARENT_MINOR = "apparent_minor"
    STATED_AGE = "stated_age"
    SEXUAL = "sexual"
    REAL_PERSON = "real_person"


_REASONS = {
    Rule.APPARENT_MINOR: "apparent-minor wording; allowed: an adult, described as one",
    Rule.STATED_AGE: "an age under 21; allowed: ages from 21, or no age at all",
    Rule.SEXUAL: "sexual wording; allowed: what every platform shows to everybody",
    Rule.REAL_PERSON: "a real person; allowed: fictional people, or a likeness with a recorded "
    "consent (vixen avatar consent add, then likeness.consent)",
}
# One plain prohibition: it begins with a forbidding word, and nothing after it starts a second
# statement or turns it around ("never forget ...", "not only ...").
_FORBIDS = re.compile(
    r"(?:no|never|don't|doesn't|does not|do not|without|refuses?|avoids?|nothing (?:about|with))\b"
    r"(?!.*(?:[,;:.!?()–—]\s*\S|\s-+\s"
    r"|\b(?:that|she|he|her|his|they|their|you|i|we|it|who|whose|which|because|since|but|unless"
    r"|except|instead|only|as|is|are|was|were|am|forgets?|doubts?|den(?:y|ies)|hides?|stops?|fails?"
    r"|longer|minds?|not|never|without)\b|\w'(?:s|re|m)\s+(?:a|an|the|still|just|so|only|\d)\b))",
)


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach: the rule, the words that broke it, and a line for a person."""

    rule: Rule
    matched: str
    door: Door

    @property
    def message(self) -> str:
        return f"{self.matched!r} is {_REASONS[self.rule]}"


def check_text(
    text: str, door: Door | str, *, allowed_people: Sequence[str] = ()
) -> list[Violation]:
    """Every breach in `text`, most serious first; empty means allowed by this policy.

    `allowed_people` are names with a recorded consent. Obfuscated spellings are undone first.
    """
    at = Door(door)
    readings = readings_of(text)
    found: list[tuple[Rule, str]] = []
    if not (at is Door.LIMIT and _only_forbids(text)):
        found += [
            (Rule.APPARENT_MINOR, word) for word in word_list("apparent_minor").find(readings)
        ]
    found += [(Rule.STATED_AGE, words) for words in word_list("stated_age").find(readings)]
    if at is not Door.LIMIT:
        found += [(Rule.SEXUAL, word) for word in word_list("sexual").find(readings)]
    found += [
        (Rule.REAL_PERSON, name)
        for name in find_people(text)
        if not any(same_person(name, allowed) for allowed in allowed_people)
    ]
    return [Violation(rule, matched, at) for rule, matched in dict.fromkeys(found)]


def _only_forbids(text: str) -> bool:
    """Whether `text` is one line and one prohibition, so that what it names is what it forbids."""
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) == 1 and _FORBIDS.match(normalize(lines[0]).strip()) is not None


def require_text(text: str, door: Door | str, *, allowed_people: Sequence[str] = ()) -> None:
    """Raise PolicyRefused, naming every breach, unless `text` is allowed."""
    violations = check_text(text, door, allowed_people=allowed_people)
    if violations:
        reasons = "; ".join(violation.message for violation in violations)
        raise PolicyRefused(
            violations[0].rule.value, f"the {Door(door).value} is refused by the policy: {reasons}."
        )
