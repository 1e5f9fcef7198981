"""The shot plan of a training dataset: which pictures, decided before any is made.

Belongs here: the five dimensions, their values, and a pure function from (seed, count) to shots.
Does not: prompts and captions (prompts.py), images.

What a plan of N shots promises, for every seed:
  framing      the shares of `FRAMING_SHARES` (40/30/20/10), split by largest remainder;
  every other  each value appears floor(N / values) or ceil(N / values) times;
  all          no two shots are equal, and pairs of values are spread as evenly as a greedy
               choice can, so that no expression is only ever seen in one light.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from vixen_pipeline.money import largest_remainder

PLAN_VERSION = 1
"""Part of every dataset's digest: a change of the values or of the algorithm is another plan."""

Dimension = Literal["framing", "angle", "expression", "lighting", "background"]

FRAMING_SHARES: dict[str, int] = {
    "face close-up": 40,
    "bust": 30,
    "half body": 20,
    "full body": 10,
}
VALUES: dict[Dimension, tuple[str, ...]] = {
    "framing": tuple(FRAMING_SHARES),
    "angle": (
        "front view",
        "three-quarter view from the left",
        "three-quarter view from the right",
        "slight left turn",
        "slight right turn",
        "slightly high angle",
        "slightly low angle",
    ),
    "expression": (
        "neutral expression",
        "soft smile",
        "broad smile",
        "laughing",
        "thoughtful look",
        "confident look",
        "surprised look",
        "serene look",
    ),
    "lighting": (
        "soft window light",
        "golden hour light",
        "overcast daylight",
        "studio softbox light",
        "warm evening light",
        "bright midday light",
        "cool morning light",
        "rim light",
    ),
    "background": (
        "plain light wall",
        "cafe interior",
        "city street",
        "park with trees",
        "living room",
        "sandy beach",
        "library shelves",
        "modern office",
        "mountain trail",
        "rooftop terrace",
    ),
}
DIMENSIONS: tuple[Dimension, ...] = tuple(VALUES)


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture to be made; `number` is its slot, from 0."""

    number: int
    framing: str
    angle: str
    expression: str
    lighting: str
    background: str

    def values(self) -> tuple[str, ...]:
        """The values in the order of `DIMENSIONS`."""
        return (self.framing, self.angle, self.expression, self.lighting, self.background)

    def as_json(self) -> dict[str, str | int]:
        return asdict(self)


def plan_shots(seed: str, count: int) -> tuple[Shot, ...]:
    """The plan of `count` shots (1..500) for `seed`; the same arguments give the same plan."""
    if not 1 <= count <= 500:
        raise ValueError(f"a plan has 1 to 500 shots, not {count}")
    budgets = {name: _budget(seed, name, count) for name in DIMENSIONS}
    pairs: Counter[tuple[str, str]] = Counter()
    rows: list[list[str]] = []
    for number in range(count):
        chosen: list[str] = []
        for name in DIMENSIONS:
            value = _pick(seed, number, budgets[name], chosen, pairs)
            budgets[name][value] -= 1
            chosen.append(value)
        pairs.update(_pairs(chosen))
        rows.append(chosen)
    _separate_equal(rows)
    return tuple(Shot(number, *row) for number, row in enumerate(rows))


def required_counts(count: int) -> dict[Dimension, dict[str, int]]:
    """The least number of times each value must appear in a plan of `count` shots."""
    framing = dict(
        zip(FRAMING_SHARES, largest_remainder(count, list(FRAMING_SHARES.values())), strict=True)
    )
    return {
        name: framing if name == "framing" else dict.fromkeys(values, count // len(values))
        for name, values in VALUES.items()
    }


def coverage(shots: Iterable[Shot]) -> dict[Dimension, dict[str, int]]:
    """How often each value appears, zeros included."""
    listed = [shot.values() for shot in shots]
    return {
        name: {value: sum(row[index] == value for row in listed) for value in VALUES[name]}
        for index, name in enumerate(DIMENSIONS)
    }


def coverage_gaps(shots: Sequence[Shot], count: int) -> list[str]:
    """One line per value that appears less often than a plan of `count` promises."""
    seen = coverage(shots)
    return [
        f"{name} '{value}': {seen[name][value]} of at least {least}"
        for name, wanted in required_counts(count).items()
        for value, least in wanted.items()
        if seen[name][value] < least
    ]


def _budget(seed: str, name: Dimension, count: int) -> dict[str, int]:
    """How many times each value is to be used; spares go to values in the seed's order."""
    if name == "framing":
        return dict(required_counts(count)["framing"])
    ordered = sorted(VALUES[name], key=lambda value: _rank(seed, name, value))
    each, spare = divmod(count, len(ordered))
    return {value: each + (index < spare) for index, value in enumerate(ordered)}


def _pick(
    seed: str,
    number: int,
    budget: dict[str, int],
    chosen: Sequence[str],
    pairs: Counter[tuple[str, str]],
) -> str:
    """The value left in `budget` that was seen least often beside what is `chosen` already."""
    largest = max(budget.values())
    return min(
        (value for value, left in budget.items() if left > 0),
        key=lambda value: (
            sum(pairs[(other, value)] for other in chosen),
            largest - budget[value],
            _rank(seed, str(number), value),
        ),
    )


def _pairs(row: Sequence[str]) -> list[tuple[str, str]]:
    return [(row[i], row[j]) for i in range(len(row)) for j in range(i + 1, len(row))]


def _rank(*parts: str) -> bytes:
    return hashlib.sha256("\x1f".join(parts).encode()).digest()


def _separate_equal(rows: list[list[str]]) -> None:
    """Make equal rows different by swapping one value with another row: counts stay as they are."""
    seen = Counter(map(tuple, rows))
    for index, row in enumerate(rows):
        if seen[tuple(row)] > 1:
            _swap_one_value(rows, index, seen)


def _swap_one_value(rows: list[list[str]], index: int, seen: Counter[tuple[str, ...]]) -> None:
    here = rows[index]
    for there in rows:
        for dimension in reversed(range(len(DIMENSIONS))):
            if here[dimension] == there[dimension]:
                continue
            new_here, new_there = list(here), list(there)
            new_here[dimension], new_there[dimension] = there[dimension], here[dimension]
            if seen[tuple(new_here)] or seen[tuple(new_there)] or new_here == new_there:
                continue
            seen.subtract([tuple(here), tuple(there)])
            seen.update([tuple(new_here), tuple(new_there)])
            here[:], there[:] = new_here, new_there
            return
    raise ValueError("no plan without equal shots exists for this count")
