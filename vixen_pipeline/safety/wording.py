"""Finding refused wording in text. Belongs here: normalising, de-obfuscating, the word lists.

Does not: which rule holds at which door (policy.py), names of people (people.py). The lists are
files under data/, in the format that apparent_minor.txt describes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

MAX_TEXT = 20_000
"""Longer text is judged in pieces that overlap by `OVERLAP` characters."""
OVERLAP = 200

_LETTER = r"[^\W\d_]"
_NO_WORD_BREAKS = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_UNDER_21 = (
    r"(?:(?<![\d.,])(?:1[0-9]|20|0?[0-9])(?![\d.,]\d|\d)"
    r"|(?<!ty[\s-])\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen"
    r"|fifteen|sixteen|seventeen|eighteen|nineteen"
    r"|twenty(?![\s-]*(?:one|two|three|four|five|six|seven|eight|nine)\b))\b)"
)
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһӏαεορτυνικ", "aeopcyxijsdhlaeoptuvik")
# Upper-case ones, as case folding leaves them; by themselves they are ordinary Cyrillic words.
_LOOKALIKES_IN_LATIN = _LOOKALIKES | str.maketrans("вкмнт", "bkmht")
# Small capitals and the like: letters that no spelling of ours needs.
_SMALL_CAPITALS = str.maketrans("ıɩɑɡᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "iiagabcdefghijklmnoprstuvwyz")
_LEET_I = str.maketrans("013457@$!|", "oieastasil")
_LEET_L = str.maketrans("013457@$!|", "oleastasll")
_SPELLED_OUT = re.compile(
    rf"(?<!{_LETTER})(?:{_LETTER}[\s.\-*·_/]{{1,2}}){{2,}}{_LETTER}(?!{_LETTER})"
)


@dataclass(frozen=True, slots=True)
class WordList:
    """One compiled list, matched against the text as written and its disguises undone."""

    pattern: re.Pattern[str]

    def find(self, readings: Iterable[str]) -> list[str]:
        """The distinct matches in the `readings` of a text."""
        found: dict[str, None] = {}
        for reading in readings:
            for match in self.pattern.finditer(reading):
                found.setdefault(" ".join(match.group().split()))
        return list(found)


def readings_of(text: str) -> list[str]:
    """Everything that `text` may be read as: its pieces, as written and with disguises undone."""
    return [variant for piece in pieces(text) for variant in variants(piece)]


def pieces(text: str) -> list[str]:
    """`text`, cut into overlapping pieces when it is long."""
    if len(text) <= MAX_TEXT:
        return [text]
    step = MAX_TEXT - OVERLAP
    return [text[start : start + MAX_TEXT] for start in range(0, len(text), step)]


def normalize(text: str) -> str:
    """Lower case, one form per character, ASCII digits, no invisible characters, no underscores."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    characters: list[str] = []
    for character in folded:
        category = unicodedata.category(character)
        if category == "Cf":
            continue
        if category == "Nd":
            characters.append(str(unicodedata.digit(character)))
        elif character == "_" or category == "Cc":
            characters.append(" ")
        else:
            characters.append("'" if character in "’‘ʼ" else character)
    return unicodedata.normalize("NFC", "".join(characters))


def strip_accents(text: str) -> str:
    """`text` without combining marks: é becomes e."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def variants(text: str) -> list[str]:
    """The text as rules read it: as written, and undone disguises (accents, l33t, s p a c e s)."""
    base = normalize(text)
    plain = undo_lookalikes(strip_accents(base))
    squeezed = re.sub(r"(.)\1{2,}", r"\1\1", plain)
    joined = _SPELLED_OUT.sub(lambda m: re.sub(r"[\W_]", "", m.group()), plain)
    return list(dict.fromkeys([base, plain, squeezed, joined, *_undo_leet(plain)]))


def undo_lookalikes(text: str) -> str:
    """Latin letters for what looks like them: small capitals, and Cyrillic and Greek letters that
    stand in a word with Latin ones or in a word of nothing else. `text` is normalised."""

    def undo(match: re.Match[str]) -> str:
        word = match.group()
        if re.search("[a-z]", word):
            return word.translate(_LOOKALIKES_IN_LATIN)
        whole = word.translate(_LOOKALIKES)
        return whole if whole.isascii() else word

    return re.sub(rf"{_LETTER}+", undo, text.translate(_SMALL_CAPITALS))


def _undo_leet(text: str) -> list[str]:
    """Two readings of words that mix letters with digits or signs: 1 as i, and 1 as l."""

    def undo(table: dict[int, int]) -> str:
        return re.sub(
            r"(?<![^\s\-.,/])(?=\S{0,40}[a-z])(?=\S{0,40}[013457@$!|])[a-z013457@$!|]{3,}",
            lambda match: match.group().translate(table),
            text,
        )

    return [undo(_LEET_I), undo(_LEET_L)]


@lru_cache(maxsize=8)
def word_list(name: str) -> WordList:
    """The list in data/`name`.txt, compiled."""
    text = files("vixen_pipeline.safety").joinpath(f"data/{name}.txt").read_text("utf-8")
    entries: list[str] = []
    durations = ""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == "duration":
            durations += rf"(?<!\b{re.escape(normalize(line))} )"
        else:
            entries.append(_entry(line, durations))
    return WordList(re.compile("|".join(entries)))


def _entry(line: str, durations: str) -> str:
    if line.startswith("/") and line.endswith("/"):
        body = line[1:-1].replace("{lasting}", durations).replace("{n}", _UNDER_21)
        return f"(?:{body})"
    term = normalize(line.removesuffix("*"))
    body = r"[\W_]*".join(re.escape(part) for part in term.split())
    left = "" if _NO_WORD_BREAKS.match(term) else f"(?<!{_LETTER})"
    if line.endswith("*"):
        return f"{left}{body}\\w*"
    right = "" if _NO_WORD_BREAKS.match(term[-1]) else f"(?!{_LETTER})"
    return f"{left}{body}{right}"
