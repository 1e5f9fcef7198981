"""Text made fit for a caption: cleaned, measured, cut between what people see as characters.

Belongs here: pure functions over one text. Does not: platforms, policy, language. A grapheme
cluster (an emoji family, a letter with its marks) is never taken apart.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import regex

LONGEST_RAW = 20_000
"""Code points that are looked at; far beyond every platform, so that hostile text costs little."""
LONGEST_CLUSTER = 40
"""Code points of one cluster: the longest emoji in use has 10. A longer one is dropped."""
MOST_MARKS = 6
"""Combining marks in a row that a script needs at most; the rest only climbs over other lines."""
ELLIPSIS = "…"
HASHTAG_UNITS = 60
_LAST_WORD_PART = 5
"""A cut goes back to a space only within the last fifth: some scripts have no spaces."""

_LINE_ENDS = r"\r\n?|[\v\f\x85\u2028\u2029]"
# Control, lone surrogates, private use, non-characters, and invisible format characters but for
# joiners (emoji, Persian) and plain direction marks. So overrides, embeddings and isolates go.
_UNWANTED = (
    r"[\p{Cc}--[\n\t]]|[\ud800-\udfff]|\p{Co}|\p{Noncharacter_Code_Point}"
    r"|[\p{Cf}--[\u200c\u200d\u200e\u200f\u061c\p{Prepended_Concatenation_Mark}"
    r"\U000E0020-\U000E007F]]"
)
_FLAG = r"\U0001F3F4[\U000E0061-\U000E007A\U000E0030-\U000E0039]{1,6}\U000E007F"
_HASHTAG = r"[#＃](?=[\p{L}\p{M}\p{N}_])"


@lru_cache(maxsize=64)
def pattern(source: str) -> regex.Pattern[str]:
    """`source` compiled by the `regex` package (Unicode properties, set difference, `\\X`)."""
    import regex

    return regex.compile(source, regex.VERSION1)


def clean(text: str) -> str:
    """`text` without what no caption needs: controls, overrides, lone surrogates, mark towers.

    NFC, single spaces, at most one empty line in a row. Cleaning twice changes nothing.
    """
    text = text[:LONGEST_RAW]
    while (once := _cleaned(text)) != text:  # what goes can bring together what then must go
        text = once
    return text


def _cleaned(text: str) -> str:
    text = pattern(_LINE_ENDS).sub("\n", text)
    text = pattern(_UNWANTED).sub("", text)
    text = pattern(rf"({_FLAG})|[\U000E0020-\U000E007F]").sub(r"\1", text)
    text = pattern(r"([\u200c\u200d])[\u200c\u200d]+").sub(r"\1", text)
    text = pattern(rf"(\p{{M}}{{{MOST_MARKS}}})\p{{M}}+").sub(r"\1", text)
    text = unicodedata.normalize("NFC", text)
    text = "".join(c for c in clusters(text) if len(c) <= LONGEST_CLUSTER)
    text = pattern(r"[^\S\n]+").sub(" ", text)
    text = pattern(r" ?\n ?").sub("\n", text)
    return pattern(r"\n{3,}").sub("\n\n", text).strip()


def clean_line(text: str) -> str:
    """The same on one line."""
    return " ".join(clean(text).split())


def clusters(text: str) -> Iterator[str]:
    """What people see as characters, in order; joined again they are `text`."""
    return (found.group() for found in pattern(r"\X").finditer(text))


def utf16_units(text: str) -> int:
    """Length as TikTok counts it: code points beyond U+FFFF count twice."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, units: int) -> str:
    """`text` in at most `units` UTF-16 units: whole clusters, after a word where there is one.

    What was cut ends with an ellipsis (if that fits). Nothing is left when not even one fits.
    """
    if utf16_units(text) <= units:
        return text
    room, kept, used = units - len(ELLIPSIS), list[str](), 0
    for cluster in clusters(text):
        used += utf16_units(cluster)
        if used > room:
            break
        kept.append(cluster)
    spaces = [i for i, cluster in enumerate(kept) if cluster.isspace()]
    if spaces and spaces[-1] >= len(kept) - len(kept) // _LAST_WORD_PART:
        kept = kept[: spaces[-1]]
    while kept and (kept[-1].isspace() or kept[-1] in ",;:-–—"):
        kept.pop()
    return "".join(kept) + ELLIPSIS if kept else ""


def letters(text: str) -> int:
    """How many letters there are: a text of pictures and signs alone says nothing."""
    return len(pattern(r"\p{L}").findall(text))


def count_hashtags(text: str) -> int:
    """How many hashtags a platform would see."""
    return len(pattern(_HASHTAG).findall(text))


def without_hashtags(text: str) -> str:
    """`text` with its hashtags turned into plain words, so that only chosen ones count."""
    return pattern(_HASHTAG).sub("", text)


def hashtag(text: str) -> str | None:
    """`trail running`, `#TrailRunning` → a usable hashtag with its sign, or None.

    Letters, digits and underscores, a letter among them, HASHTAG_UNITS at most.
    """
    joined = pattern(r"[\s#＃\-'’.]+").sub("", clean_line(text))
    if not pattern(r"[\p{L}\p{M}\p{N}_]+").fullmatch(joined) or not letters(joined):
        return None
    return f"#{joined}" if utf16_units(joined) <= HASHTAG_UNITS else None


def hashtags(texts: list[str], most: int) -> list[str]:
    """The usable ones of `texts`, each once whatever its case, the first `most`."""
    found: dict[str, str] = {}
    for text in texts:
        if (tag := hashtag(text)) is not None:
            found.setdefault(tag.casefold(), tag)
    return list(found.values())[:most]
