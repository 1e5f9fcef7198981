"""Which image fills which slot. Belongs here: one pure function over measured images.

Does not: the database, making images. The choice depends on the images alone, never on the order
in which they arrived: slots are filled in their order, each by its earliest attempt that passes
and is no near-duplicate of what an earlier slot has taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vixen_pipeline.pictures.quality import Thresholds, hash_distance


@dataclass(frozen=True, slots=True)
class Candidate:
    """One measured image. `reasons` are those of its own verdict; empty means it passes."""

    id: int
    slot: int
    attempt: int
    phash: int | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """`chosen` maps slots to candidates; `reasons` says of every other one why it is not taken."""

    chosen: dict[int, Candidate]
    reasons: dict[int, tuple[str, ...]]

    @property
    def chosen_ids(self) -> frozenset[int]:
        return frozenset(candidate.id for candidate in self.chosen.values())


def select_images(candidates: Iterable[Candidate], thresholds: Thresholds) -> Selection:
    """Fill the slots from `candidates`; the same candidates in any order give the same result."""
    chosen: dict[int, Candidate] = {}
    reasons: dict[int, tuple[str, ...]] = {}
    for candidate in sorted(candidates, key=lambda c: (c.slot, c.attempt)):
        if candidate.reasons:
            reasons[candidate.id] = candidate.reasons
        elif candidate.slot in chosen:
            reasons[candidate.id] = ("spare: an earlier attempt fills the slot",)
        else:
            twin = _twin(candidate, list(chosen.values()), thresholds)
            if twin is None:
                chosen[candidate.slot] = candidate
            else:
                reasons[candidate.id] = (
                    f"duplicate: {twin[1]} bits from shot {twin[0]}, "
                    f"more than {thresholds.duplicate_bits} needed",
                )
    return Selection(chosen, reasons)


def _twin(
    candidate: Candidate, others: Sequence[Candidate], thresholds: Thresholds
) -> tuple[int, int] | None:
    """(slot, distance) of the first image that looks the same, if any."""
    for other in others:
        if candidate.phash is None or other.phash is None:
            continue
        distance = hash_distance(candidate.phash, other.phash)
        if distance <= thresholds.duplicate_bits:
            return other.slot, distance
    return None


def nearest_pair(chosen: Sequence[Candidate]) -> int | None:
    """The least distance in bits between two chosen images; None with fewer than two."""
    distances = [
        hash_distance(one.phash, other.phash)
        for index, one in enumerate(chosen)
        for other in chosen[index + 1 :]
        if one.phash is not None and other.phash is not None
    ]
    return min(distances, default=None)
