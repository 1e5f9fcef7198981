"""Moderation that fails closed. Belongs here: turning verdicts, or their absence, into a decision.

Does not: the wording policy, providers. "Could not be moderated" is never a pass: the error goes
up to the caller, whose stage then waits and tries again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vixen_pipeline.errors import PolicyRefused, Transient

if TYPE_CHECKING:
    from vixen_pipeline.providers.ports import ModerationResult, Moderator

# Raw scores above this refuse even where the provider does not flag: the provider tunes its flags
# for chat, we publish. Stored scores are judged when read, so that a new limit needs no new call.
SCORE_LIMITS = {"sexual": 0.5, "sexual/minors": 0.05}


def refusal_reason(result: ModerationResult) -> str | None:
    """Why `result` refuses, or None when it passes."""
    over = [
        f"{category} {result.scores[category]:.2f} (limit {limit:.2f})"
        for category, limit in SCORE_LIMITS.items()
        if result.scores.get(category, 0.0) > limit
    ]
    if result.flagged:
        over = [*(result.categories or ("flagged",)), *over]
    return ", ".join(dict.fromkeys(over)) or None


def moderate_texts(moderator: Moderator, texts: Sequence[str]) -> list[str | None]:
    """The refusal reason per text, None where it passes, in order.

    Raises ProviderError or Unavailable when the moderator cannot tell; never passes then.
    """
    if not texts:
        return []
    results = moderator.moderate_texts(texts)
    if len(results) != len(texts):
        raise Transient("moderation", f"{len(texts)} texts sent, {len(results)} verdicts received")
    return [refusal_reason(result) for result in results]


def require_moderated(moderator: Moderator, texts: Sequence[str], subject: str) -> None:
    """Raise PolicyRefused unless every text passes; other errors mean that nobody could tell."""
    reasons = [reason for reason in moderate_texts(moderator, texts) if reason is not None]
    if reasons:
        raise PolicyRefused("moderation", f"{subject} is refused by moderation: {reasons[0]}.")
