"""Whether a caption can be used, and how good it is. Belongs here: the gates and the scores.

Does not: moderation by a model, choosing (copy_choosing). Pure functions: the same caption is
always judged the same, so replaying a kept answer after a crash is safe. The rule, documented in
docs/captions.md: each score is 0..1, the whole is their mean by WEIGHTS.

    length       the words fill the span that is read on the platform, neither less nor more
    hook         short enough to be seen unfolded, a question, number or direct address, no shouting
    language     the language that was asked for (caption_language)
    hashtags     usable, three or more, none doubled
    originality  1 - the greatest likeness to a caption already chosen for this plan and platform
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vixen_pipeline.content.caption_compose import Composed
from vixen_pipeline.content.caption_language import LEAST_MATCH, language_match
from vixen_pipeline.content.caption_text import clusters, letters, pattern, utf16_units
from vixen_pipeline.content.platforms import Platform, limit_problems
from vixen_pipeline.safety.disclosure import disclosure_problem
from vixen_pipeline.safety.policy import Door, check_text

WEIGHTS: Mapping[str, float] = {
    "length": 0.15,
    "hook": 0.25,
    "language": 0.25,
    "hashtags": 0.10,
    "originality": 0.25,
}
LEAST_LETTERS = 12
MOST_ALIKE = 0.6
"""Jaccard likeness from which a caption repeats another one of its plan."""
SPANS: Mapping[str, tuple[int, int]] = {"instagram": (80, 700), "tiktok": (50, 350)}
"""Characters of the words that score full marks: what people read there before scrolling on."""
SEEN_HOOK = 80
"""Characters that both apps show before "more"."""

_LINK = r"(?i)\bhttps?://|\bwww\.|\b[a-z0-9-]{2,}\.(?:com|net|org|io|me|co|ly|app|link)\b"
_MENTION = r"(?<![\p{L}\p{N}])[@＠][\p{L}\p{N}_]"
_MARKUP = r"```|<\/?[a-zA-Z][^>]*>|\{\{|\}\}|\[/?INST\]|<\|"
# What a text says that follows somebody else's orders, or speaks about its own.
_ORDERS = (
    r"(?i)\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|rules?|prompts?"
    r"|guidelines)\b|\bsystem prompt\b|\bas an? (?:ai )?(?:large )?language model\b"
    r"|\b(?:developer|jailbreak|DAN) mode\b|\bmy instructions\b|\bjson schema\b"
    r"|\bI (?:cannot|can't|can not) (?:help|assist|comply|write|create)\b"
)


@dataclass(frozen=True, slots=True)
class Voice:
    """What a caption must keep to, beside the policy: the avatar's locale and closed topics."""

    locale: str
    prohibited_topics: tuple[str, ...]
    allowed_people: tuple[str, ...] = ()


def problems(composed: Composed, platform: Platform, voice: Voice) -> list[str]:
    """Why a caption cannot be used, one line each; empty: it may be, if `breaches` finds none."""
    found: list[str] = []
    words = composed.words
    if not composed.hook or not composed.body:
        found.append("empty: the hook or the caption has no words")
    if letters(words) < LEAST_LETTERS:
        found.append(f"empty: fewer than {LEAST_LETTERS} letters")
    elif _language(composed, voice) < LEAST_MATCH:
        found.append(f"language: not written in the language of {voice.locale}")
    for what, source in (
        ("a link", _LINK),
        ("a mention of an account", _MENTION),
        ("markup", _MARKUP),
        ("words about instructions", _ORDERS),
    ):
        if (match := pattern(source).search(words)) is not None:
            found.append(f"foreign: it contains {what} ({match.group()[:40]!r})")
    found += _denials(composed, voice)
    found += [f"limits: {problem}" for problem in limit_problems(
        platform, composed.caption, composed.title)]  # fmt: skip
    return found


def breaches(caption: str, voice: Voice) -> list[str]:
    """Where a caption breaks the avatar policy. Costs milliseconds, so it is asked last: of the
    variant that would be chosen, which is where words pass the door."""
    return [
        f"policy: {violation.message}"
        for violation in check_text(caption, Door.CAPTION, allowed_people=voice.allowed_people)
    ]


def _denials(composed: Composed, voice: Voice) -> list[str]:
    found: list[str] = []
    if (denial := disclosure_problem(composed.caption)) is not None:
        found.append(f"disclosure: the caption {denial}")
    folded = composed.caption.casefold()
    for topic in voice.prohibited_topics:
        if re.search(rf"(?<!\w){re.escape(topic.casefold())}(?!\w)", folded):
            found.append(f"topic: it speaks of {topic!r}, which the avatar does not")
    return found


def scores(composed: Composed, platform: Platform, voice: Voice, asked: Sequence[str]) -> dict[
    str, float
]:  # fmt: skip
    """Every score but originality, which depends on the other captions (copy_choosing)."""
    return {
        "length": round(_length(composed, platform), 4),
        "hook": round(_hook(composed.hook), 4),
        "language": round(_language(composed, voice), 4),
        "hashtags": round(_hashtags(composed, platform, asked), 4),
    }


def overall(parts: Mapping[str, float]) -> float:
    """The weighted mean; a score that is not there counts as 0: not measured earns nothing."""
    return round(sum(weight * parts.get(name, 0.0) for name, weight in WEIGHTS.items()), 4)


def _language(composed: Composed, voice: Voice) -> float:
    """Of the whole, and of the body alone: a hook in the right language does not hide it."""
    return min(language_match(text, voice.locale) for text in (composed.words, composed.body))


def _length(composed: Composed, platform: Platform) -> float:
    least, most = SPANS[platform.name]
    units = utf16_units(composed.words)
    if units < least:
        return units / least
    return max(0.0, 1 - (units - most) / (platform.caption - most)) if units > most else 1.0


def _hook(hook: str) -> float:
    seen = sum(1 for _ in clusters(hook))
    short = 1.0 if seen <= SEEN_HOOK else SEEN_HOOK / seen
    calls = pattern(r"[?¿؟？]|\p{N}|(?i)\b(?:you|your|tu|te|tus|você|seu|du|dein|dir|vous|ton)\b")
    capitals = len(pattern(r"\p{Lu}").findall(hook))
    quiet = 0.0 if capitals > max(3, letters(hook) // 2) or "!!" in hook else 1.0
    begins = 1.0 if pattern(r"[\p{L}\p{N}¿\"“«'’]").match(hook) else 0.0
    return 0.4 * short + 0.3 * bool(calls.search(hook)) + 0.2 * quiet + 0.1 * begins


def _hashtags(composed: Composed, platform: Platform, asked: Sequence[str]) -> float:
    wanted = min(3, platform.hashtags)
    if not wanted:
        return 1.0
    usable = len(composed.hashtags) / max(1, min(len(asked), platform.hashtags))
    return min(1.0, len(composed.hashtags) / wanted) * min(1.0, usable)
