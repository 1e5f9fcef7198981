"""Money is exact: nothing is lost by splitting, rounding or adding."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vixen_pipeline.money import USD_QUANTUM, largest_remainder, usd

totals = st.integers(0, 10**18)
weights = st.lists(
    st.one_of(
        st.integers(0, 10**6),
        st.decimals(0, 10**12, allow_nan=False, allow_infinity=False),
    ),
    min_size=1,
    max_size=20,
).filter(lambda values: any(value > 0 for value in values))


@given(totals, weights)
def test_shares_always_add_up_to_the_total(total: int, parts: list[Decimal | int]) -> None:
    assert sum(largest_remainder(total, parts)) == total


@given(totals, weights)
def test_no_share_is_a_whole_unit_away_from_its_exact_value(
    total: int, parts: list[Decimal | int]
) -> None:
    whole = sum(Fraction(part) for part in parts)
    for share, part in zip(largest_remainder(total, parts), parts, strict=True):
        assert abs(share - Fraction(part) * total / whole) < 1
        assert share >= 0


@given(totals, weights)
def test_a_larger_weight_never_gets_less(total: int, parts: list[Decimal | int]) -> None:
    ordered = sorted(parts, reverse=True)
    shares = largest_remainder(total, ordered)
    assert shares == sorted(shares, reverse=True)


@given(totals, weights, st.integers(1, 1000))
def test_scaling_all_weights_changes_no_share(
    total: int, parts: list[Decimal | int], factor: int
) -> None:
    scaled = [_times(part, factor) for part in parts]
    assert largest_remainder(total, scaled) == largest_remainder(total, parts)


def _times(part: Decimal | int, factor: int) -> Decimal:
    with localcontext(prec=100):
        return part * Decimal(factor)


def test_ties_go_to_the_earlier_position() -> None:
    assert largest_remainder(100, [1, 1, 1]) == [34, 33, 33]
    assert largest_remainder(2, [1, 1, 1]) == [1, 1, 0]
    assert largest_remainder(0, [1, 2]) == [0, 0]


@pytest.mark.parametrize(("total", "parts"), [(-1, [1]), (1, [0, 0]), (1, []), (1, [2, -1])])
def test_what_cannot_be_split_is_refused(total: int, parts: list[int]) -> None:
    with pytest.raises(ValueError, match="non-negative"):
        largest_remainder(total, parts)


@given(st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False))
def test_usd_rounds_once_to_the_nearest_quantum(value: Decimal) -> None:
    rounded = usd(value)
    assert abs(rounded - value) <= USD_QUANTUM / 2
    assert usd(rounded) == rounded


def test_usd_rounds_halves_to_even() -> None:
    assert usd("0.000000005") == Decimal(0)
    assert usd("0.000000015") == Decimal("0.00000002")
