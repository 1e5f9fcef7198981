"""How long a provider asks us to wait. Belongs here: headers and prose in, seconds out.

Does not: waiting. Nothing here raises: what cannot be read is None, and the caller's own backoff
decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 3600.0
"""A longer wait is cut to this, seconds; a provider that means it says so again."""

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:(\d+)ms)?$")
_PROSE = re.compile(
    r"(?:resets?|retry|try again|available)\s+(?:again\s+)?(?:in|after)\s+~?\s*([\d.]+)\s*"
    r"(ms|milliseconds?|m|minutes?|mins?|s|seconds?|secs?)?\b",
    re.IGNORECASE,
)


def wait_seconds(
    headers: Mapping[str, str], message: str = "", *, now: datetime | None = None
) -> float | None:
    """Seconds to wait by `retry-after-ms`, `retry-after`, exhausted limits, or the message."""
    present = now or datetime.now(UTC)
    found = _milliseconds(headers.get("retry-after-ms", ""))
    if found is None:
        found = _retry_after(headers.get("retry-after", ""), present)
    if found is None:
        found = _exhausted(headers, present)
    if found is None:
        found = _prose(message)
    return None if found is None else min(max(found, 0.0), LONGEST)


def _milliseconds(value: str) -> float | None:
    number = _number(value)
    return None if number is None else number / 1000


def _retry_after(value: str, now: datetime) -> float | None:
    """Seconds, an HTTP date or an ISO date."""
    number = _number(value)
    return number if number is not None else _until(value, now)


def _exhausted(headers: Mapping[str, str], now: datetime) -> float | None:
    """The longest reset among the limits that are used up, in OpenAI's and Anthropic's forms."""
    waits: list[float] = []
    for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
        for remaining, reset in (
            (f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}"),
            (f"anthropic-ratelimit-{kind}-remaining", f"anthropic-ratelimit-{kind}-reset"),
        ):
            if _number(headers.get(remaining, "")) == 0:
                value = headers.get(reset, "")
                wait = _duration(value)
                wait = _until(value, now) if wait is None else wait
                if wait is not None:
                    waits.append(wait)
    return max(waits, default=None)


def _duration(value: str) -> float | None:
    """`1s`, `6m0s`, `1h2m3.5s`, `120ms`."""
    match = _DURATION.fullmatch(value.strip()) if value.strip() else None
    if match is None:
        return None
    hours, minutes, seconds, milliseconds = (_number(part or "0") for part in match.groups())
    if None in (hours, minutes, seconds, milliseconds):
        return None
    total = (hours or 0) * 3600 + (minutes or 0) * 60 + (seconds or 0)
    return total + (milliseconds or 0) / 1000


def _until(value: str, now: datetime) -> float | None:
    if not value.strip():
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, TypeError):
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - now).total_seconds()


def _prose(message: str) -> float | None:
    match = _PROSE.search(message)
    if match is None:
        return None
    number = _number(match.group(1).rstrip("."))
    unit = (match.group(2) or "s").lower()
    if number is None:
        return None
    if unit.startswith(("ms", "milli")):
        return number / 1000
    return number * 60 if unit.startswith("m") else number


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
