"""Money without floats. Belongs here: exact arithmetic on amounts, largest-remainder shares.

Does not: prices (costs/price_book), ledgers. Provider costs are `Decimal` USD rounded to
`USD_QUANTUM`; what customers pay is integer minor units of an ISO currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

USD_QUANTUM = Decimal("0.00000001")
"""Provider costs are kept to 1e-8 USD: one cached token of the cheapest model costs 1e-8."""


def usd(value: Decimal | int | str) -> Decimal:
    """`value` as USD, rounded half-even to `USD_QUANTUM`. Floats are refused by the type."""
    return Decimal(value).quantize(USD_QUANTUM, rounding=ROUND_HALF_EVEN)


def largest_remainder(total: int, weights: Sequence[Decimal | int]) -> list[int]:
    """Split `total` units by `weights`, exactly: floors first, spares to the largest remainders.

    Ties go to the earlier position. Raises ValueError for a negative total, a negative weight, or
    weights that sum to zero.
    """
    # Fractions: a quotient cut to 28 digits could round up to a unit that is not there.
    exact_weights = [Fraction(weight) for weight in weights]
    weight_sum = sum(exact_weights, Fraction(0))
    if total < 0 or weight_sum <= 0 or any(weight < 0 for weight in exact_weights):
        raise ValueError("total and weights must be non-negative, and some weight positive")
    exact = [weight * total / weight_sum for weight in exact_weights]
    floors = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (floors[i] - exact[i], i))
    for index in by_remainder[: total - sum(floors)]:
        floors[index] += 1
    return floors
