"""Which image fills which slot depends on the images alone, never on the order they came in."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from vixen_pipeline.identity.image_selection import Candidate, nearest_pair, select_images
from vixen_pipeline.pictures.quality import Thresholds, hash_distance

CANDIDATES = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(1, 4),
        st.integers(0, 2**12 - 1),
        st.sampled_from([(), ("sharpness: 3",)]),
    ),
    max_size=20,
    unique_by=lambda each: each[:2],
).map(lambda rows: [Candidate(i, *row[:2], row[2], row[3]) for i, row in enumerate(rows)])


@given(candidates=CANDIDATES, seed=st.integers())
def test_the_order_of_arrival_changes_nothing(candidates, seed):
    shuffled = list(candidates)
    random.Random(seed).shuffle(shuffled)
    limits = Thresholds(duplicate_bits=3)
    assert select_images(shuffled, limits).chosen == select_images(candidates, limits).chosen


@given(candidates=CANDIDATES)
def test_what_is_chosen_passes_fills_one_slot_and_resembles_nothing_else_chosen(candidates):
    limits = Thresholds(duplicate_bits=3)
    selection = select_images(candidates, limits)
    chosen = list(selection.chosen.values())
    assert all(not each.reasons and selection.chosen[each.slot] is each for each in chosen)
    assert (nearest_pair(chosen) or 64) > 3
    assert selection.reasons.keys() == {c.id for c in candidates} - selection.chosen_ids
    for candidate in candidates:
        if candidate.slot in selection.chosen or candidate.reasons:
            continue
        earlier = [each for each in chosen if each.slot < candidate.slot]
        assert any(hash_distance(each.phash, candidate.phash) <= 3 for each in earlier)


def test_a_later_arrival_in_an_earlier_slot_takes_the_place_of_its_twin():
    late, twin = Candidate(2, 3, 1, 7, ()), Candidate(1, 10, 1, 7, ())
    selection = select_images([twin, late], Thresholds())
    assert selection.chosen == {3: late}
    assert selection.reasons[1][0].startswith("duplicate: 0 bits from shot 3")
