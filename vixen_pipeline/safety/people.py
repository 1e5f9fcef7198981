"""Finding real people in text. Belongs here: "looks like <Name>" wording and public figures.

Does not: consents (the caller says whose likeness is allowed), declared likeness (identity spec).
Case matters here: a name is told by its capitals. The findings lean to refusal; what is refused
wrongly can be said otherwise ("inspired by", lower case).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files

from vixen_pipeline.safety.wording import normalize, pieces, strip_accents, undo_lookalikes

_NAME_WORDS = 4

# After these a name follows when the next words have capitals.
_LIKENESS = re.compile(
    r"\b(?:look(?:s|ing|ed)?(?:[ -]+(?:just|exactly|a lot|very much|almost|so much|eerily|much|kind"
    r" of|a bit|somewhat))*[ -]+(?:like|similar to|identical to)"
    r"|resembl(?:es?|ing|ance to)|(?:dead )?ringer for|twin (?:sister |brother )?of|face of"
    r"|impersonat(?:es?|ing|or of)|likeness of|modell?ed (?:on|after)|copy of"
    r"|se parece a|parecid[ao] a|igual(?:ita)? a|parecid[ao] com|se parece com"
    r"|ressemble à|sosie de|assomiglia a|sosia di|sieht aus wie|lijkt op|похожа? на)\s+",
    re.IGNORECASE,
)
# After these a name follows when at least two words have capitals.
_SOURCE = re.compile(
    r"\b(?:based (?:up)?on|in the image of|inspired by the looks of|basad[ao] en|basead[ao] em"
    r"|basée? sur|basiert auf|basat[ao] su)\s+",
    re.IGNORECASE,
)
# These mean a person whatever follows.
_ALWAYS = re.compile(
    r"\b(?:look[\s-]?alike of|deep[\s-]?fake of|doppelg(?:a|ä|ae)nger of|spitting image of"
    r"|in the likeness of|body double of|face[\s-]?swap(?:ped)? with)\s+"
    r"(?:(?:an?|the)\s+)?(?P<who>\S+(?:\s+\S+)?)"
    r"|(?P<celebrity>\bcelebrity[\s-]look[\s-]?alike\b)",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"(?P<who>\S{1,40}(?:\s{1,3}\S{1,40}){0,2})[\s-]{1,3}(?:look[\s-]?alike|impersonator|deep[\s-]?fake|doppelg\S{1,2}nger)\b"
)
_FILLER_WORDS = (
    "the a an young famous actress actor singer model star celebrity late great real old dr mr mrs"
    " ms la el le il o der die das actriz cantante chanteuse schauspielerin"
)
_FILLERS = frozenset(_FILLER_WORDS.split())
_NOT_NAMES = frozenset(("I", "AI"))


def find_people(text: str) -> list[str]:
    """Names of real people in `text`, or the wording that points at one; distinct."""
    found: dict[str, None] = {}
    for piece in pieces(text):
        names = (*_likenesses(piece), *_likenesses(_latin(piece)), *public_figures_in(piece))
        for name in names:
            found.setdefault(name)
    return list(found)


def _latin(text: str) -> str:
    """`text` with its look-alike letters undone word by word, capitals kept: they tell names."""

    def undo(match: re.Match[str]) -> str:
        word = match.group()
        plain = undo_lookalikes(normalize(word))
        return plain[:1].upper() + plain[1:] if word[0].isupper() else plain

    return re.sub(r"\S+", undo, text)


def same_person(found: str, allowed: str) -> bool:
    """True when `found` names the person `allowed`, or a part of that name ("Jane" of Jane Doe)."""
    words, of = name_words(found), name_words(allowed)
    return bool(words) and set(words) <= set(of)


def name_words(text: str) -> list[str]:
    """The words of a name without accents, case and separators, look-alike letters undone; a
    possessive s is dropped."""
    plain = undo_lookalikes(strip_accents(normalize(text)))
    return re.findall(r"[^\W_]+", re.sub(r"'s\b", "", plain))


def public_figures_in(text: str) -> list[str]:
    """Names of the shipped list that stand in `text`, also as one word or with separators."""
    by_words, by_compact = _figures()
    words = name_words(text)
    found: dict[str, None] = {}
    for start in range(len(words)):
        for length in range(1, _NAME_WORDS + 1):
            name = by_words.get(tuple(words[start : start + length]))
            if name is not None:
                found.setdefault(name)
        compact = by_compact.get(words[start])
        if compact is not None:
            found.setdefault(compact)
    return list(found)


@lru_cache(maxsize=1)
def _figures() -> tuple[dict[tuple[str, ...], str], dict[str, str]]:
    data = files("vixen_pipeline.safety").joinpath("data/public_figures.txt").read_text("utf-8")
    names = [line.strip() for line in data.splitlines() if line.strip() and line[0] != "#"]
    by_words = {tuple(name_words(name)): name for name in names}
    # Short joined names could be ordinary words.
    by_compact = {"".join(words): name for words, name in by_words.items() if len(words) > 1}
    return by_words, {word: name for word, name in by_compact.items() if len(word) >= 7}


def _likenesses(text: str) -> Iterable[str]:
    for match in _LIKENESS.finditer(text):
        if name := _name_at(text[match.end() :], at_least=1):
            yield name
    for match in _SOURCE.finditer(text):
        if name := _name_at(text[match.end() :], at_least=2):
            yield name
    for match in _ALWAYS.finditer(text):
        yield (match.group("who") or match.group("celebrity")).strip(".,;:!?\"'")
    for match in _BEFORE.finditer(text):
        words = [word for word in match.group("who").split() if _is_capital(word)]
        if words:
            yield " ".join(words)


def _name_at(rest: str, *, at_least: int) -> str | None:
    """The capitalised words that begin `rest`, after fillers such as "the actress"."""
    words = rest.split()[:8]
    article = bool(words) and words[0].lower() in ("a", "an")
    while words and words[0].lower() in _FILLERS and not _is_capital(words[0]):
        words = words[1:]
    name: list[str] = []
    for word in words[:_NAME_WORDS]:
        if not _is_capital(word):
            break
        name.append(word.strip(".,;:!?\"'()"))
        if word[-1] in ".,;:!?)":
            break
    # "a Viking", "an Italian summer": after an article one capital is not a name.
    needed = max(at_least, 2) if article else at_least
    return " ".join(name) if len(name) >= needed else None


def _is_capital(word: str) -> bool:
    letters = word.strip(".,;:!?\"'()")
    return bool(letters) and letters[0].isupper() and letters not in _NOT_NAMES
