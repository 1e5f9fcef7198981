"""Which stills make a carousel or a slideshow. Belongs here: the choice, as a pure function.

Does not: rows, files, video. The same stills, counts and seed give the same choice.

A carousel is 2 to 10 stills of one scene, in the order they were planned. Where a scene has two
stills of one access tier, only stills of that tier go in, so that nothing wider is shut away with
something narrower. The largest groups come first, each scene once before any scene twice.

A slideshow is up to `SLIDES` stills of one tier from as many scenes as possible. The widest tier
that has enough of them comes first: videos are what finds new viewers. Stills that no other
slideshow shows come first.

The tier of either is the narrowest of its members', always.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from vixen_pipeline.db.models.pieces import TIERS

Format = Literal["carousel", "slideshow"]
FORMATS: tuple[Format, ...] = ("carousel", "slideshow")

LEAST_MEMBERS = 2
MOST_MEMBERS = 10
"""Of a carousel. Instagram takes 2 to 10 through its API, TikTok 1 to 35."""
SLIDES = 4
LEAST_SLIDES = 2


@dataclass(frozen=True, slots=True)
class Still:
    """A still that may be shown: its piece, where it stands in the plan, and its tier."""

    piece_id: int
    shot_id: int
    position: int
    scene: int
    tier: str
    state: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The members of one composed piece, in order; `scene` is that of the first."""

    format: Format
    members: tuple[Still, ...]

    @property
    def scene(self) -> int:
        return self.members[0].scene

    @property
    def ids(self) -> frozenset[int]:
        return frozenset(still.piece_id for still in self.members)

    @property
    def tier(self) -> str:
        return narrowest(still.tier for still in self.members)


def narrowest(tiers: Iterable[str]) -> str:
    """The tier that the fewest people have access to."""
    return max(tiers, key=TIERS.index)


def choose(
    format: Format,
    stills: Sequence[Still],
    count: int,
    seed: int,
    taken: Collection[frozenset[int]] = (),
) -> list[Choice]:
    """At most `count` new choices; fewer when the stills do not suffice.

    `taken` are the members of what exists already: none of them is made twice.
    """
    ordered = sorted(stills, key=lambda still: still.position)
    if format == "carousel":
        return _carousels(ordered, count, taken)
    return _slideshows(ordered, count, seed, taken)


def _carousels(
    stills: Sequence[Still], count: int, taken: Collection[frozenset[int]]
) -> list[Choice]:
    scenes: dict[int, list[Still]] = defaultdict(list)
    for still in stills:
        scenes[still.scene].append(still)
    first: list[Choice] = []
    later: list[Choice] = []
    for members in scenes.values():
        groups = [Choice("carousel", group) for group in _groups(members)]
        fresh = [group for group in groups if group.ids not in taken]
        used = any(ids & group.ids for ids in taken for group in groups)
        if fresh and not used:
            first.append(fresh.pop(0))
        later += fresh

    def largest(choice: Choice) -> tuple[int, int]:
        return -len(choice.members), choice.members[0].position

    return [*sorted(first, key=largest), *sorted(later, key=largest)][:count]


def _groups(members: Sequence[Still]) -> list[tuple[Still, ...]]:
    """The carousels that one scene offers, largest first."""
    tiers = [[still for still in members if still.tier == tier] for tier in TIERS]
    whole = [group for group in tiers if len(group) >= LEAST_MEMBERS]
    if not whole and len(members) >= LEAST_MEMBERS:
        whole = [list(members)]
    groups = [tuple(group[:MOST_MEMBERS]) for group in whole]
    # When more are asked for than there are groups, halves of large ones are carousels too.
    halves = [
        tuple(half)
        for group in whole
        if len(group) >= 2 * LEAST_MEMBERS
        for half in (group[: len(group) // 2], group[len(group) // 2 :])
    ]
    return sorted(groups, key=len, reverse=True) + [half[:MOST_MEMBERS] for half in halves]


def _slideshows(
    stills: Sequence[Still], count: int, seed: int, taken: Collection[frozenset[int]]
) -> list[Choice]:
    shown = Counter(piece_id for ids in taken for piece_id in ids)
    known = set(taken)
    choices: list[Choice] = []
    for number in range(count):
        chance = random.Random(f"{seed}:{number + len(taken)}")
        choice = _slideshow(stills, shown, known, chance)
        if choice is None:
            break
        choices.append(choice)
        known.add(choice.ids)
        shown.update(choice.ids)
    return choices


def _slideshow(
    stills: Sequence[Still],
    shown: Counter[int],
    known: Collection[frozenset[int]],
    chance: random.Random,
) -> Choice | None:
    """The next slideshow, of the first tier that has unseen stills enough; None: nothing new."""
    tiers = [[still for still in stills if still.tier == tier] for tier in TIERS]
    fresh = [[still for still in tier if not shown[still.piece_id]] for tier in tiers]
    for size in range(SLIDES, LEAST_SLIDES - 1, -1):
        for pool in (*fresh, *tiers, list(stills)):
            if len(pool) < size:
                continue
            for _ in range(8):  # another draw when exactly these were shown already
                members = _spread(pool, chance, size)
                if frozenset(still.piece_id for still in members) not in known:
                    return Choice("slideshow", members)
    return None


def _spread(pool: Sequence[Still], chance: random.Random, size: int) -> tuple[Still, ...]:
    """`size` stills, from different scenes as far as there are any."""
    drawn = sorted(pool, key=lambda _: chance.random())
    turns: Counter[int] = Counter()
    ranked: list[tuple[int, int, Still]] = []
    for at, still in enumerate(drawn):
        ranked.append((turns[still.scene], at, still))
        turns[still.scene] += 1
    ranked.sort(key=lambda item: item[:2])
    return tuple(still for _, _, still in ranked[:size])
