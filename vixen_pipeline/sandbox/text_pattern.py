"""Strings that match a simple regular expression, as JSON Schema's `pattern` uses them.

Belongs here: parsing and sampling literals, classes, escapes, groups, alternation, quantifiers and
anchors. Does not: look-around, back-references and lazy tricks; those raise `PatternUnsupported`.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable

Sampler = Callable[[random.Random, int], str]
"""(dice, stretch) to a string; open-ended repeats take up to `stretch` more than their minimum."""

_DIGITS = string.digits
_WORD = string.ascii_lowercase + string.digits
_SPACE = " "
_ANY = string.ascii_lowercase + "     "
_ESCAPES = {"d": _DIGITS, "w": _WORD, "s": _SPACE, "D": _ANY, "W": " -", "S": _WORD}
_LITERALS = {"n": "\n", "t": "\t", "r": "\r"}
_PRINTABLE = string.ascii_lowercase + string.digits + string.ascii_uppercase + " -_.,:;!?#@/()'&+*="


class PatternUnsupported(ValueError):
    """The pattern uses more than this parser knows."""


def sampler(pattern: str) -> Sampler:
    """A generator of strings for `pattern`. Raises PatternUnsupported."""
    parser = _Parser(pattern)
    sample = parser.alternation()
    if parser.rest():
        raise PatternUnsupported(f"unbalanced ) in pattern {pattern!r}")
    return sample


class _Parser:
    """Recursive descent over the pattern's text."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0

    def rest(self) -> str:
        return self._text[self._at :]

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._peek()
        if not char:
            raise PatternUnsupported(f"pattern {self._text!r} ends too early")
        self._at += 1
        return char

    def alternation(self) -> Sampler:
        branches = [self._sequence()]
        while self._peek() == "|":
            self._take()
            branches.append(self._sequence())
        if len(branches) == 1:
            return branches[0]
        return lambda dice, stretch: dice.choice(branches)(dice, stretch)

    def _sequence(self) -> Sampler:
        parts: list[Sampler] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._quantified())
        return lambda dice, stretch: "".join(part(dice, stretch) for part in parts)

    def _quantified(self) -> Sampler:
        atom = self._atom()
        low, high = 1, 1
        char = self._peek()
        if char in ("*", "+", "?"):
            self._take()
            low, high = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}[char]
        elif char == "{":
            low, high = self._counts()
        else:
            return atom
        if self._peek() in ("?", "+"):
            self._take()  # lazy or possessive: the same strings match
        return _repeat(atom, low, high)

    def _counts(self) -> tuple[int, int]:
        self._take()
        inside, _, _ = self.rest().partition("}")
        self._at += len(inside) + 1
        low, comma, high = inside.partition(",")
        if not low.strip().isdigit() or (high.strip() and not high.strip().isdigit()):
            raise PatternUnsupported(f"quantifier {{{inside}}} in {self._text!r}")
        if not comma:
            return int(low), int(low)
        return int(low), int(high) if high.strip() else -1

    def _atom(self) -> Sampler:
        char = self._take()
        if char in "^$":
            return lambda dice, stretch: ""
        if char == ".":
            return _one_of(_ANY)
        if char == "(":
            return self._group()
        if char == "[":
            return _one_of(self._class())
        if char == "\\":
            return self._escape()
        if char in "*+?{":
            raise PatternUnsupported(f"nothing to repeat in {self._text!r}")
        return lambda dice, stretch: char

    def _group(self) -> Sampler:
        if self._peek() == "?":
            self._take()
            kind = self._take()
            if kind == "P":
                kind = self._take()
            if kind == "<" and self._peek() not in ("=", "!"):
                self._at += self.rest().index(">") + 1
            elif kind != ":":
                raise PatternUnsupported(f"group (?{kind} in {self._text!r}")
        inside = self.alternation()
        if self._take() != ")":
            raise PatternUnsupported(f"group without end in {self._text!r}")
        return inside

    def _escape(self) -> Sampler:
        char = self._take()
        if char in "bBAZ":
            return lambda dice, stretch: ""
        if char in _ESCAPES:
            return _one_of(_ESCAPES[char])
        if char.isalnum() and char not in _LITERALS:
            raise PatternUnsupported(f"escape \\{char} in {self._text!r}")
        literal = _LITERALS.get(char, char)
        return lambda dice, stretch: literal

    def _class(self) -> str:
        negated = self._peek() == "^"
        if negated:
            self._take()
        members: list[str] = []
        first = True
        while first or self._peek() != "]":
            first = False
            members.append(self._member())
        self._take()
        listed = "".join(members)
        if not negated:
            return listed
        allowed = "".join(char for char in _PRINTABLE if char not in listed)
        if not allowed:
            raise PatternUnsupported(f"class without printable members in {self._text!r}")
        return allowed

    def _member(self) -> str:
        char = self._take()
        if char == "\\":
            escaped = self._take()
            if escaped in _ESCAPES:
                return _ESCAPES[escaped]
            char = _LITERALS.get(escaped, escaped)
        if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
            self._take()
            last = self._take()
            if last == "\\":
                last = self._take()
            if ord(last) < ord(char):
                raise PatternUnsupported(f"range {char}-{last} in {self._text!r}")
            return "".join(chr(code) for code in range(ord(char), min(ord(last), 0x24F) + 1))
        return char


def _one_of(chars: str) -> Sampler:
    return lambda dice, stretch: dice.choice(chars)


def _repeat(atom: Sampler, low: int, high: int) -> Sampler:
    def sample(dice: random.Random, stretch: int) -> str:
        most = low + stretch if high < 0 else min(high, low + stretch)
        times = most if stretch > 8 else dice.randint(low, most)
        return "".join(atom(dice, stretch) for _ in range(times))

    return sample
