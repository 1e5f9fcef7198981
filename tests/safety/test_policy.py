"""The wording policy as tables: what is refused, by which rule, and what stays allowed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vixen_pipeline.errors import PolicyRefused
from vixen_pipeline.safety.policy import Door, Rule, check_text, require_text

MINOR = [
    "a teen in the park",
    "teenager",
    "TEENAGE dream",
    "cute schoolgirl outfit",
    "school-girl",
    "school_girl",
    "barely legal",
    "barely-legal look",
    "child",
    "childlike face",
    "child-like smile",
    "children",
    "loli",
    "lolita fashion",
    "looks very young",
    "underage",
    "under-age",
    "little girl",
    "young girl with freckles",
    "high school student",
    "kid",
    "preteen",
    "pre-teen",
    "tween",
    "she is a minor",
    "baby-faced",
    "jailbait",
    "in a school uniform",
    # disguised
    "t33n",
    "l0li",
    "1oli",
    "t e e n",
    "t.e.e.n model",
    "teeeeen",
    "ｔｅｅｎ",
    "te\u200ben",
    "tееn",  # Cyrillic е
    "téen",
    "sch00lgirl",
    # other languages
    "colegiala",
    "una niña",
    "menor de edad",
    "novinha",
    "criança",
    "écolière",
    "lycéenne",
    "une fillette",
    "minderjährig",
    "Schulmädchen",
    "minorenne",
    "ragazzina",
    "несовершеннолетняя",
    "школьница",
    "女子高生",
    "かわいいロリ風",
    "未成年少女",
    "萝莉",
    "미성년자",
    "여고생",
    "قاصر",
    "नाबालिग",
    "tiener",
    "nastolatka",
]
AGE = [
    "looks 15",
    "she looks about 16",
    "looks like she is 17",
    "appears to be 14",
    "15 years old",
    "fifteen years old",
    "a 19-year-old",
    "a 20 year old woman",
    "17yo",
    "17 y/o",
    "16 y.o.",
    "18yrs old",
    "aged 16",
    "age: 12",
    "age 20",
    "just turned 18",
    "barely 18",
    "sweet sixteen",
    "under 18",
    "１５ years old",
    "١٥ years old",
    "tiene 15 años",
    "15 años de edad",
    "tem 16 anos",
    "elle a 17 ans",
    "16 Jahre alt",
    "16-jährig",
    "ha 15 anni",
    "ей 15 лет",
    "15岁",
    "16歳",
    "17살",
    "da 15 year old girl",
    "a 10th grader",
]
SEXUAL = [
    "nude portrait",
    "fully naked",
    "porn",
    "s3xy",
    "NSFW set",
    "lace lingerie",
    "onlyfans",
    "only fans link",
    "topless on the beach",
    "sexual",
    "s.e.x.y",
    "desnuda",
    "nackt",
    "ヌード",
    "色情",
    "in her underwear",
]
PEOPLE = [
    "Taylor Swift",
    "taylor swift",
    "TAYLOR-SWIFT",
    "taylorswift",
    "a fan of Beyonce",
    "looks like Emma Stone",
    "looks just like Jane Doe",
    "Looks like Marilyn",
    "looks like the actress Jane Doe",
    "lookalike of Jane Doe",
    "a look-alike of jane doe",
    "Jane Doe lookalike",
    "based on Jane Doe",
    "Based on John Smith from accounting",
    "resembles Ana Petrova",
    "deepfake of my ex",
    "celebrity lookalike",
    "spitting image of Jane Doe",
    "modelled on Maria Callas",
    "se parece a Penélope Cruz",
    "sosie de Jane Birkin",
    "Timothee Chalamet's jacket",
]
ALLOWED = [
    "mini skirt",
    "minimal",
    "a minor setback",
    "sonata in A minor key",
    "young adult, 25",
    "a young woman of 25",
    "25 years old",
    "21 years old",
    "a 34-year-old",
    "twenty-one years old",
    "twenty-five years old",
    "age 30",
    "looks 30",
    "canteen",
    "velveteen sofa",
    "nineteenth century",
    "girl next door",
    "college student",
    "kindergarten teacher",
    "kind",
    "baby blue eyes",
    "Nina",
    "kidding around",
    "20 years of experience",
    "hace 10 años",
    "10 años de experiencia",
    "depuis 10 ans",
    "looks 10 percent sharper",
    "under 20 minutes",
    "appears 3 times",
    "115 years old house",
    "85mm lens, f/1.8",
    "bikini",
    "sports bra",
    "nude lipstick",
    "visible to the naked eye",
    "same-sex marriage",
    "Essex",
    "magna cum laude",
    "cocktail",
    "Dick Tracy is not mentioned",
    "looks like a Viking",
    "looks like rain",
    "based on science",
    "based in Lisbon",
    "inspired by Scandinavian design",
    "Luna Rivers",
    "swift tailor",
    "friendly, patient, dry wit",
    "a 4k photo at 18:00",
    "Kinder surprise is not a topic",
]


def rules(text: str, door: Door = Door.PROMPT) -> set[Rule]:
    return {violation.rule for violation in check_text(text, door)}


@pytest.mark.parametrize("text", MINOR)
def test_apparent_minor_wording_is_refused(text: str) -> None:
    assert Rule.APPARENT_MINOR in rules(text)


@pytest.mark.parametrize("text", AGE)
def test_an_age_under_21_is_refused(text: str) -> None:
    assert rules(text) & {Rule.STATED_AGE, Rule.APPARENT_MINOR}


@pytest.mark.parametrize("text", SEXUAL)
def test_sexual_wording_is_refused(text: str) -> None:
    assert Rule.SEXUAL in rules(text)


@pytest.mark.parametrize("text", PEOPLE)
def test_a_real_person_is_refused(text: str) -> None:
    assert Rule.REAL_PERSON in rules(text)


@pytest.mark.parametrize("text", ALLOWED)
def test_ordinary_wording_passes(text: str) -> None:
    assert check_text(text, Door.PROMPT) == []


@pytest.mark.parametrize("door", list(Door))
def test_minors_and_real_people_are_refused_at_every_door(door: Door) -> None:
    assert Rule.APPARENT_MINOR in rules("teen look", door)
    assert Rule.REAL_PERSON in rules("looks like Taylor Swift", door)
    assert Rule.STATED_AGE in rules("looks 15", door)


def test_a_recorded_consent_allows_that_person_and_no_other() -> None:
    text = "looks like Jane Doe and like Taylor Swift"
    assert check_text("looks like Jane Doe", Door.SPEC, allowed_people=["Jane Doe"]) == []
    found = check_text(text, Door.SPEC, allowed_people=["Jane Doe"])
    assert [violation.matched for violation in found] == ["Taylor Swift"]


def test_a_violation_says_what_was_found_and_what_is_allowed() -> None:
    message = check_text("teen", Door.SPEC)[0].message
    assert message == "'teen' is apparent-minor wording; allowed: an adult, described as one"


def test_requiring_refuses_with_every_reason() -> None:
    with pytest.raises(PolicyRefused) as caught:
        require_text("nude teen", Door.CUSTOM_REQUEST)
    assert caught.value.rule == "apparent_minor"
    assert "nude" in str(caught.value)
    assert "custom_request" in str(caught.value)
    require_text("a walk by the river", "dm")


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_judged_without_an_exception(text: str) -> None:
    check_text(text, Door.DM)


@pytest.mark.parametrize(
    "text", ["a" * 60_000, "a." * 30_000, "a " * 30_000, "5a-" * 20_000, "looks like " * 5_000]
)
def test_long_hostile_text_is_judged_in_bounded_time(text: str) -> None:
    started = time.perf_counter()
    check_text(text, Door.DM)
    assert time.perf_counter() - started < 20


def test_wording_that_straddles_two_pieces_is_found() -> None:
    for offset in (19_990, 19_998, 19_800):
        assert Rule.APPARENT_MINOR in rules("x " * (offset // 2) + " schoolgirl " + "y " * 9_000)
