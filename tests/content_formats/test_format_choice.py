"""Which stills are composed: bounds, tiers, scenes, and never the same members twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vixen_pipeline.content.format_choice import (
    LEAST_MEMBERS,
    MOST_MEMBERS,
    SLIDES,
    Still,
    choose,
    narrowest,
)
from vixen_pipeline.db.models.pieces import TIERS

shots = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(TIERS)), max_size=40)


def stills(layout: list[tuple[int, str]]) -> list[Still]:
    return [
        Still(100 + at, 200 + at, at, scene, tier, "auto_approved")
        for at, (scene, tier) in enumerate(layout)
    ]


@given(shots, st.integers(0, 8))
def test_a_carousel_is_two_to_ten_stills_of_one_scene_in_planned_order(
    layout: list[tuple[int, str]], count: int
) -> None:
    chosen = choose("carousel", stills(layout), count, seed=1)
    assert len(chosen) <= count
    for choice in chosen:
        assert LEAST_MEMBERS <= len(choice.members) <= MOST_MEMBERS
        assert len({still.scene for still in choice.members}) == 1
        positions = [still.position for still in choice.members]
        assert positions == sorted(positions)


@given(shots, st.integers(0, 6), st.integers(0, 6))
def test_no_two_composed_pieces_have_the_same_members_even_later(
    layout: list[tuple[int, str]], first: int, second: int
) -> None:
    for format in ("carousel", "slideshow"):
        before = [choice.ids for choice in choose(format, stills(layout), first, seed=3)]
        after = [choice.ids for choice in choose(format, stills(layout), second, 3, before)]
        assert len(set(before + after)) == len(before) + len(after)


@given(shots, st.integers(0, 3))
def test_the_choice_is_the_same_for_the_same_seed(
    layout: list[tuple[int, str]], count: int
) -> None:
    given_stills = stills(layout)
    for format in ("carousel", "slideshow"):
        again = choose(format, list(reversed(given_stills)), count, seed=5)
        assert choose(format, given_stills, count, seed=5) == again


def test_the_tier_is_the_narrowest_and_tiers_are_not_mixed_where_they_need_not_be() -> None:
    mixed = stills([(0, "public"), (0, "exclusive")])
    [choice] = choose("carousel", mixed, 1, seed=1)
    assert choice.tier == "exclusive"
    assert narrowest(["public", "premium"]) == "premium"
    enough = stills([(0, "public"), (0, "public"), (0, "exclusive")])
    [choice] = choose("carousel", enough, 1, seed=1)
    assert choice.tier == "public" and len(choice.members) == 2


def test_each_scene_has_one_carousel_before_any_has_two() -> None:
    layout = [(0, "public")] * 8 + [(1, "public")] * 2
    scenes = [choice.scene for choice in choose("carousel", stills(layout), 3, seed=1)]
    assert scenes == [0, 1, 0]


def test_a_slideshow_shows_different_scenes_and_the_next_one_other_stills() -> None:
    layout = [(scene, "public") for scene in (0, 0, 0, 1, 1, 2, 3, 4, 5, 5)]
    first, second = choose("slideshow", stills(layout), 2, seed=9)
    assert len(first.members) == SLIDES == len({still.scene for still in first.members})
    assert not first.ids & second.ids


def test_too_few_stills_give_fewer_choices_and_none_that_is_empty() -> None:
    assert choose("carousel", stills([(0, "public"), (1, "public")]), 2, seed=1) == []
    assert choose("slideshow", stills([(0, "public")]), 1, seed=1) == []
