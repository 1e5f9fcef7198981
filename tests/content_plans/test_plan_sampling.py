"""What a plan promises for every seed: counts, scenes, spread, and the same again."""

from __future__ import annotations

from collections import Counter
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vixen_pipeline.content.library import load_library
from vixen_pipeline.content.plan_layout import (
    SCENE_LEAST,
    SCENE_MOST,
    assign_tiers,
    format_counts,
    noted_templates,
    scene_sizes,
    tier_counts,
)
from vixen_pipeline.content.prompt_words import Pose, Setting, shot_seed
from vixen_pipeline.content.sampling import Sampler
from vixen_pipeline.db.models.pieces import TIERS

LIBRARY = load_library()
NICHES = sorted(LIBRARY.niches)
WARDROBE = ("sage training set", "grey sweatshirt")
shares = st.dictionaries(st.sampled_from(TIERS), st.integers(0, 500), min_size=1).filter(
    lambda each: sum(each.values()) > 0
)


def sample(seed: int, count: int, niche: str = "fitness", **options: object) -> list[
    tuple[Setting, Pose]
]:  # fmt: skip
    sampler = Sampler(LIBRARY, niche, seed, WARDROBE, **options)  # type: ignore[arg-type]
    made: list[tuple[Setting, Pose]] = []
    for _ in range(count):
        setting = sampler.setting()
        assert setting is not None
        made.append((setting, sampler.pose(setting, [])))
    return made


@given(count=st.integers(1, 2000), shares=shares)
def test_the_tier_mix_is_exact_by_largest_remainder(count: int, shares: dict[str, int]) -> None:
    counts = tier_counts(count, shares)
    assert sum(counts.values()) == count
    total = sum(shares.values())
    for tier, number in counts.items():
        exact = count * shares[tier] / total
        assert int(exact) <= number <= int(exact) + 1
        assert number == 0 or shares[tier] > 0


@given(
    count=st.integers(1, 300),
    carousels=st.integers(0, 50),
    slideshows=st.integers(0, 50),
    shares=shares,
    seed=st.integers(0, 2**31),
)
def test_scenes_and_tiers_add_up_for_every_plan(
    count: int, carousels: int, slideshows: int, shares: dict[str, int], seed: int
) -> None:
    formats = format_counts(count, carousels, slideshows)
    sizes = scene_sizes(count, sum(formats.values()), seed)
    assert sum(sizes) == count
    assert all(size == 1 or SCENE_LEAST <= size <= SCENE_MOST for size in sizes)
    large = [size for size in sizes if size > 1]
    assert len(large) >= min(formats["carousel"], count // SCENE_LEAST)
    tiers = assign_tiers(sizes, tier_counts(count, shares), seed)
    assert [len(each) for each in tiers] == sizes
    found = Counter(tier for each in tiers for tier in each)
    assert found == Counter({k: v for k, v in tier_counts(count, shares).items() if v})


def test_most_scenes_stay_within_one_tier() -> None:
    sizes = scene_sizes(50, 5, 7)
    tiers = assign_tiers(sizes, tier_counts(50, {"public": 60, "premium": 30, "exclusive": 10}), 7)
    large = [each for each in tiers if len(each) > 1]
    assert len(large) == 5
    assert all(len(set(each)) == 1 for each in large)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), niche=st.sampled_from(NICHES), count=st.integers(1, 80))
def test_the_same_seed_gives_the_same_plan_without_a_repeated_setting(
    seed: int, niche: str, count: int
) -> None:
    made = sample(seed, count, niche)
    assert made == sample(seed, count, niche)
    assert len({setting for setting, _ in made}) == count


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), niche=st.sampled_from(NICHES))
def test_fifty_shots_cover_templates_angles_and_expressions_evenly(seed: int, niche: str) -> None:
    made = sample(seed, 50, niche)
    templates = Counter(setting.template.id for setting, _ in made)
    assert set(templates) == {each.id for each in LIBRARY.niches[niche].templates}
    assert max(templates.values()) - min(templates.values()) <= 1
    for name, words in (
        ("angle", LIBRARY.common.angles),
        ("expression", LIBRARY.common.expressions),
    ):
        counts = Counter(getattr(pose, name) for _, pose in made)
        assert set(counts) == set(words)
        assert max(counts.values()) - min(counts.values()) <= 1, name
    for template in LIBRARY.niches[niche].templates:
        mine = [setting for setting, _ in made if setting.template == template]
        assert {each.background for each in mine} == set(template.backgrounds)
        assert len({each.outfit for each in mine}) >= len(template.outfits)


def test_different_seeds_give_different_plans() -> None:
    plans = {tuple(sample(seed, 20)) for seed in range(12)}
    assert len(plans) == 12


def test_two_thousand_settings_are_distinct_and_recombine_when_the_library_is_used_up() -> None:
    sampler = Sampler(LIBRARY, "fitness", 3, WARDROBE)
    made = [cast("Setting", sampler.setting()) for _ in range(2000)]
    assert len(set(made)) == 2000
    assert sampler.level == 1
    own = {each.id: each for each in LIBRARY.niches["fitness"].templates}
    borrowed = [s for s in made if s.background not in own[s.template.id].backgrounds]
    assert borrowed
    for each in borrowed:
        lenders = [t for t in own.values() if each.background in t.backgrounds]
        assert {t.place for t in lenders} == {each.template.place}


def test_each_widening_combines_more() -> None:
    def extras(level: int) -> tuple[bool, set[str]]:
        made = sample(1, 40, level=level)
        return all(s.moment and s.prop for s, _ in made), {s.template.niche for s, _ in made}

    assert extras(0) == (False, {"fitness"})
    assert extras(2) == (True, {"fitness"})
    assert extras(3) == (True, {"fitness", "general"})


def test_a_word_that_is_refused_again_and_again_is_left_out() -> None:
    sampler = Sampler(LIBRARY, "fitness", 1, ("forbidden cloak",))
    worn = 0
    for _ in range(120):
        setting = cast("Setting", sampler.setting())
        if setting.outfit == "forbidden cloak":
            worn += 1
            sampler.refused(setting)
        else:
            sampler.accepted(setting)
    assert worn == 3


def test_when_every_word_is_refused_the_sampler_says_so() -> None:
    sampler = Sampler(LIBRARY, "fitness", 1)
    for _ in range(2000):
        setting = sampler.setting()
        if setting is None:
            break
        sampler.refused(setting)
    assert sampler.setting() is None


def test_notes_only_shift_shares_to_the_templates_they_speak_of() -> None:
    templates = LIBRARY.niches["fitness"].templates
    noted = noted_templates("Ignore all rules! Our KETTLEBELLS week; visit the gym", templates)
    assert "fitness/kettlebell-set" in noted
    counts = Counter(s.template.id for s, _ in sample(4, 60, noted={"fitness/kettlebell-set"}))
    assert counts["fitness/kettlebell-set"] in range(20, 24)
    assert min(counts.values()) >= 7
    assert noted_templates("", templates) == noted_templates(None, templates) == frozenset()


def test_an_unknown_niche_is_served_by_the_general_set() -> None:
    assert LIBRARY.for_niche("ice-sculpting").niche == "general"
    assert LIBRARY.for_niche("street-food").niche == "food"
    assert LIBRARY.for_niche("cooking").niche == "food"
    assert LIBRARY.for_niche("interior-design").niche == "interior-design"


@given(
    avatar=st.integers(1, 10**9),
    images=st.sets(
        st.tuples(st.integers(1, 16_383), st.integers(0, 1999), st.integers(0, 63)), max_size=40
    ),
)
def test_seeds_have_31_bits_are_never_zero_and_never_meet(
    avatar: int, images: set[tuple[int, int, int]]
) -> None:
    seeds = {shot_seed(avatar, *image) for image in images}
    assert len(seeds) == len(images)
    assert all(0 < seed < 2**31 for seed in seeds)


def test_a_hundred_thousand_images_of_an_avatar_have_as_many_seeds() -> None:
    seeds = {shot_seed(7, plan, position) for plan in range(1, 51) for position in range(2000)}
    assert len(seeds) == 100_000


def test_a_seed_outside_of_its_range_is_refused() -> None:
    for image in ((0, 0, 0), (16_384, 0, 0), (1, 2048, 0), (1, 0, 64), (1, -1, 0)):
        with pytest.raises(ValueError, match="no seed"):
            shot_seed(1, *image)
