"""One caption out of its parts, within the platform's limits.

Belongs here: the order of the parts and what gives way when there are too many words. Does not:
limits (platforms), judging (caption_judge). Hashtags and the AI line are whole or not there, and
the AI line is always there:

    hook                cut to half the room
    body                cut to what is left
    call to action      cut to a quarter of the room
    #tags               as many as fit into a third of the limit
    AI line             never cut
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vixen_pipeline.content.caption_text import (
    clean,
    clean_line,
    cut,
    hashtags,
    utf16_units,
    without_hashtags,
)
from vixen_pipeline.content.platforms import Platform
from vixen_pipeline.safety.disclosure_texts import disclosure_text

_GAP = "\n\n"
LONGEST_HOOK = 200
LONGEST_CALL = 200


@dataclass(frozen=True, slots=True)
class Composed:
    """The parts as they were used, and the text of them. `title` is None where there is none."""

    hook: str
    body: str
    call_to_action: str
    hashtags: list[str]
    caption: str
    title: str | None

    @property
    def words(self) -> str:
        """What was written, without tags and the AI line: what is compared and judged."""
        return "\n".join(part for part in (self.hook, self.body, self.call_to_action) if part)


def compose(
    platform: Platform,
    language: str,
    *,
    hook: str,
    body: str,
    call_to_action: str,
    tags: Sequence[str],
) -> Composed:
    """Clean, cut and join. Parts that are empty after cleaning stay empty: judging says so."""
    disclosure = disclosure_text(platform.name, language)
    kept = _fitting(hashtags(list(tags), platform.hashtags), platform.caption // 3)
    tail = "\n".join(part for part in (" ".join(kept), disclosure) if part)
    room = platform.caption - utf16_units(tail) - 3 * len(_GAP)
    opening = cut(clean_line(without_hashtags(hook)), min(LONGEST_HOOK, room // 2))
    closing = cut(clean_line(without_hashtags(call_to_action)), min(LONGEST_CALL, room // 4))
    middle = cut(clean(without_hashtags(body)), room - utf16_units(opening) - utf16_units(closing))
    caption = _GAP.join(part for part in (opening, middle, closing, tail) if part)
    title = None if platform.title is None else cut(opening, platform.title)
    return Composed(opening, middle, closing, kept, caption, title)


def _fitting(tags: list[str], units: int) -> list[str]:
    """The first of `tags` that fit into `units` together, joined by spaces."""
    kept: list[str] = []
    for tag in tags:
        units -= utf16_units(tag) + 1
        if units < 0:
            break
        kept.append(tag)
    return kept
