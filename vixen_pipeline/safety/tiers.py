"""Access tiers, tightened where a check asks for it. Belongs here: the rule, as a pure function.

Does not: what may be published at all (moderation.py refuses beforehand; a tier never lets through
what a limit refuses). A tier is who has access, never how explicit something is.

The rule: a piece is as wide as it was declared, unless a raw moderation score of its image or its
words is over the limit of that tier. Then it goes to the widest tier whose limits it keeps. A check
can only tighten: nothing here ever widens what was declared. A category that was not measured keeps
no limit, and what has no scores at all has no tier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vixen_pipeline.db.models.pieces import TIERS

# Half and four fifths of the limit at which moderation refuses a sexual score (0.5), and the same
# of where OpenAI's flags for violence begin: what is nearly refused is not shown to everybody.
LIMITS: Mapping[str, Mapping[str, float]] = {
    "public": {"sexual": 0.25, "violence": 0.25, "violence/graphic": 0.1, "self-harm": 0.1},
    "premium": {"sexual": 0.4, "violence": 0.4, "violence/graphic": 0.2, "self-harm": 0.2},
    "exclusive": {},
}


@dataclass(frozen=True, slots=True)
class TierVerdict:
    """The tier of a piece, and why it is narrower than declared (None: it is as declared).

    `unmeasured` are the categories that a limit names and some image or text has no score for.
    """

    tier: str
    reason: str | None
    unmeasured: tuple[str, ...] = ()


def judge_tier(declared: str, scores: Sequence[Mapping[str, float]]) -> TierVerdict:
    """The tier under the limits in force; `scores` are raw, one mapping per image or text.

    Raises ValueError when the tier is unknown or there are no scores: not measured is no tier.
    """
    if declared not in TIERS:
        raise ValueError(f"unknown access tier {declared!r}")
    if not scores or not all(scores):
        raise ValueError("not measured: there are no moderation scores to judge a tier by")
    unmeasured = tuple(name for name in LIMITS[TIERS[0]] if not all(name in s for s in scores))
    reason: str | None = None
    for tier in TIERS[TIERS.index(declared) :]:
        over = _over(LIMITS[tier], scores)
        if over is None:
            return TierVerdict(tier, reason, unmeasured)
        reason = reason or f"{over} (limit of {declared})"
    return TierVerdict(TIERS[-1], reason, unmeasured)


def _over(limits: Mapping[str, float], scores: Sequence[Mapping[str, float]]) -> str | None:
    for category, limit in limits.items():
        if not all(category in each for each in scores):
            return f"{category} was not measured"
        worst = max(each[category] for each in scores)
        if not worst <= limit:  # written so that NaN does not pass
            return f"{category} {worst:.2f}, over {limit:.2f}"
    return None


def is_tightened_only(declared: str, tier: str) -> bool:
    """Whether `tier` is the declared one or narrower."""
    return TIERS.index(tier) >= TIERS.index(declared)
