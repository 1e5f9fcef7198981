"""How a plan is divided: scenes, tiers, formats, and which templates the notes speak of. Pure.

Belongs here: counts that must come out exactly. Does not: what is in a scene (sampling.py).
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from vixen_pipeline.content.templates import Template
from vixen_pipeline.db.models.pieces import TIERS
from vixen_pipeline.money import largest_remainder

SCENE_LEAST, SCENE_MOST = 2, 10
"""Shots of a scene that a carousel or a slideshow can be made of."""
_USUAL = (3, 6)
_SHARED_SHARE = Fraction(7, 10)
"""At most this much of a plan is in scenes of several shots, unless it is very small."""


def tier_counts(count: int, shares: Mapping[str, int]) -> dict[str, int]:
    """`count` shots over the tiers, exactly, by largest remainder; ties go to the wider tier."""
    tiers = [tier for tier in TIERS if tier in shares]
    split = largest_remainder(count, [shares[tier] for tier in tiers])
    return dict(zip(tiers, split, strict=True))


def format_counts(count: int, carousels: int, slideshows: int) -> dict[str, int]:
    """How many of each to compose of `count` stills, given how many per 50 (rounded up)."""
    return {
        "carousel": min(-(-count * carousels // 50), count // SCENE_LEAST),
        "slideshow": min(-(-count * slideshows // 50), count // SCENE_LEAST),
    }


def scene_sizes(count: int, shared: int, seed: int) -> list[int]:
    """Sizes of the scenes that `count` shots are divided into, the `shared` larger ones first.

    Each larger one has 2 to 10 shots; there are fewer of them only when `count` is too small.
    """
    shared = min(shared, count // SCENE_LEAST)
    rng = random.Random(f"scenes:{seed}")
    room = max(int(count * _SHARED_SHARE), shared * SCENE_LEAST)
    most = room // shared if shared else 0
    least = min(_USUAL[0], most)
    sizes = [rng.randint(least, max(least, min(_USUAL[1], most))) for _ in range(shared)]
    return sizes + [1] * (count - sum(sizes))


def assign_tiers(sizes: Sequence[int], counts: Mapping[str, int], seed: int) -> list[list[str]]:
    """The tier of each shot of each scene; every tier exactly as often as `counts` says.

    A scene is kept in one tier where that comes out, since what is composed of it has the
    narrowest tier of its members.
    """
    left = Counter(counts)
    if sum(left.values()) != sum(sizes):
        raise ValueError(f"{sum(left.values())} tiers for {sum(sizes)} shots")
    wanted = {tier: Fraction(number) for tier, number in counts.items()}
    tiers: list[list[str]] = [[] for _ in sizes]
    for index in (index for index, size in enumerate(sizes) if size > 1):
        size = sizes[index]
        whole = [tier for tier in counts if left[tier] >= size]
        if not whole:
            continue
        # In turn, each tier by its share: larger scenes are not all public.
        tier = max(whole, key=lambda tier: (left[tier] / (wanted[tier] or 1), left[tier]))
        tiers[index] = [tier] * size
        left[tier] -= size
    rest = [tier for tier in counts for _ in range(left[tier])]
    random.Random(f"tiers:{seed}").shuffle(rest)
    for index, size in enumerate(sizes):
        while len(tiers[index]) < size:
            tiers[index].append(rest.pop())
    return tiers


def noted_templates(notes: str | None, templates: Sequence[Template]) -> frozenset[str]:
    """Ids of the templates that share a telling word with the campaign notes.

    This is all that notes change in a plan: they are data, their words go into no prompt.
    """
    words = _telling(notes or "")
    if not words:
        return frozenset()
    return frozenset(
        each.id
        for each in templates
        if words & _telling(" ".join([each.name, each.scene, *each.backgrounds]))
    )


_DULL = frozenset(
    ["about", "after", "also", "from", "have", "into", "more", "most", "post", "over", "that"]
) | {"their", "them", "this", "very", "wearing", "with", "your"}


def _telling(text: str) -> set[str]:
    words = re.findall(r"[^\W\d_]{4,}", text.casefold())
    return {word.removesuffix("s") for word in words if word not in _DULL}
