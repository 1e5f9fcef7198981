"""The field types of an avatar spec: what text, codes and names may look like.

Belongs here: constrained types and their one-line reasons with the allowed values. Does not:
which fields a spec has (spec.py), wording rules (vixen_pipeline.safety).
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import lru_cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
LOCALE_PATTERN = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$"
LANGUAGE_PATTERN = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$"

SLUG_ALLOWED = (
    "2 to 40 lower-case letters a-z, digits and single hyphens between them, e.g. luna-rivers"
)
LOCALE_ALLOWED = "BCP 47 with a region or without, e.g. en-US, pt-BR, ja"
LANGUAGE_ALLOWED = "BCP 47, e.g. en, es, pt-BR"
TIME_ZONE_ALLOWED = "IANA names, e.g. Europe/Lisbon"

_CURRENCY_CODES = (
    "AUD BRL CAD CHF CZK DKK EUR GBP HKD HUF INR JPY KRW MXN NOK NZD PLN RON SEK SGD THB TRY "
    "USD ZAR"
)
CURRENCIES = tuple(_CURRENCY_CODES.split())


def _refuse(reason: str) -> PydanticCustomError:
    # The text is ours and holds no template, so braces in it must not be read as one.
    return PydanticCustomError("vixen", "{reason}", {"reason": reason})


_JOINERS = "\u200c\u200d"  # needed to write Persian, Hindi and emoji; the policy reads past them


def _printable(value: str) -> str:
    """Refuse characters that a reader cannot see: they hide wording from people and from rules."""
    for character in value:
        hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
        if hidden and character not in _JOINERS:
            raise _refuse(
                f"contains the invisible or control character U+{ord(character):04X}; "
                "allowed: one line of visible text"
            )
    return unicodedata.normalize("NFC", value)


def _slug(value: str) -> str:
    if not re.fullmatch(SLUG_PATTERN, value):
        raise _refuse(f"{value[:60]!r} is not a key part; allowed: {SLUG_ALLOWED}")
    return value


def _locale(value: str) -> str:
    if not re.fullmatch(LOCALE_PATTERN, value):
        raise _refuse(f"{value[:40]!r} is not a locale; allowed: {LOCALE_ALLOWED}")
    return value


def _language(value: str) -> str:
    if not re.fullmatch(LANGUAGE_PATTERN, value):
        raise _refuse(f"{value[:40]!r} is not a language; allowed: {LANGUAGE_ALLOWED}")
    return value


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _time_zone(value: str) -> str:
    if value in _zones():
        return value
    near = difflib.get_close_matches(value, sorted(_zones()), n=3, cutoff=0.6)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise _refuse(f"{value[:60]!r} is not a time zone{hint}; allowed: {TIME_ZONE_ALLOWED}")


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise _refuse(f"{value[:12]!r} is not offered; allowed: {', '.join(CURRENCIES)}")
    return value


def _distinct(values: list[str]) -> list[str]:
    seen: set[str] = set()
    for value in values:
        if value.casefold() in seen:
            raise _refuse(f"{value!r} is listed twice; allowed: each entry once")
        seen.add(value.casefold())
    return values


_trimmed = StringConstraints(strip_whitespace=True)

Slug = Annotated[
    str,
    Field(
        min_length=2,
        max_length=40,
        json_schema_extra={"pattern": SLUG_PATTERN, "x-allowed": SLUG_ALLOWED},
    ),
    AfterValidator(_slug),
]
ShortText = Annotated[str, _trimmed, Field(min_length=1, max_length=80), AfterValidator(_printable)]
Phrase = Annotated[str, _trimmed, Field(min_length=1, max_length=160), AfterValidator(_printable)]
Paragraph = Annotated[
    str, _trimmed, Field(min_length=1, max_length=600), AfterValidator(_printable)
]
Locale = Annotated[
    str,
    Field(
        max_length=20, json_schema_extra={"pattern": LOCALE_PATTERN, "x-allowed": LOCALE_ALLOWED}
    ),
    AfterValidator(_locale),
]
Language = Annotated[
    str,
    Field(
        max_length=20,
        json_schema_extra={"pattern": LANGUAGE_PATTERN, "x-allowed": LANGUAGE_ALLOWED},
    ),
    AfterValidator(_language),
]
TimeZone = Annotated[
    str,
    Field(max_length=60, json_schema_extra={"x-allowed": TIME_ZONE_ALLOWED}),
    AfterValidator(_time_zone),
]
Currency = Annotated[
    str, Field(json_schema_extra={"enum": list(CURRENCIES)}), AfterValidator(_currency)
]
MinorUnits = Annotated[int, Field(ge=1, le=100_000_000)]

Phrases = Annotated[list[Phrase], Field(max_length=20), AfterValidator(_distinct)]
SomePhrases = Annotated[list[Phrase], Field(min_length=1, max_length=20), AfterValidator(_distinct)]
Languages = Annotated[list[Language], Field(max_length=10), AfterValidator(_distinct)]
