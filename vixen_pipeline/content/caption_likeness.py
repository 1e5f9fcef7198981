"""How alike captions are, against many at once. Belongs here: shingles and their index.

Does not: what counts as too alike (caption_judge). The index holds the captions of one plan, so
its cost is that of the plan, never of the avatar's history.
"""

from __future__ import annotations

from collections import Counter

from vixen_pipeline.content.caption_text import pattern

_WORDS_PER_SHINGLE = 3
_SIGNS_PER_SHINGLE = 4
"""For scripts that do not part words."""
_UNSPACED = r"[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]"


def shingles(text: str) -> frozenset[str]:
    """Every run of three words (of four signs where words are not parted), case apart."""
    words = pattern(r"[\p{L}\p{M}\p{N}]+").findall(text.casefold())
    if pattern(_UNSPACED).search(text):
        words, size, joint = list("".join(words)), _SIGNS_PER_SHINGLE, ""
    else:
        size, joint = _WORDS_PER_SHINGLE, " "
    if len(words) <= size:
        return frozenset([joint.join(words)] if words else [])
    return frozenset(joint.join(words[i : i + size]) for i in range(len(words) - size + 1))


class LikenessIndex:
    """Texts by their shingles; asks only those that share one."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._where: dict[str, list[int]] = {}

    def add(self, text: str) -> None:
        own = shingles(text)
        number = len(self._sizes)
        self._sizes.append(len(own))
        for shingle in own:
            self._where.setdefault(shingle, []).append(number)

    def most_alike(self, text: str) -> float:
        """The greatest Jaccard similarity to a text of the index, 0 (nothing shared) to 1."""
        own = shingles(text)
        shared = Counter(number for s in own for number in self._where.get(s, ()))
        return max(
            (count / (len(own) + self._sizes[number] - count) for number, count in shared.items()),
            default=0.0,
        )
