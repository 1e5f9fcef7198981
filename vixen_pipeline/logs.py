"""Structured logs without secrets: a constant event name plus identifiers.

Belongs here: how log lines are written and what is taken out of them. Does not: what is logged.
`configure` is called once per process edge; until then structlog's own default applies.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Literal, TextIO

import structlog

LogFormat = Literal["console", "json"]

REDACTED = "[redacted]"

_SECRET_NAMES = re.compile(
    r"(?:^|[_\-.])(?:token|secrets?|password|passwd|authorization|cookie|credentials?|signature|"
    r"api[_-]?key|access[_-]?key(?:[_-]?id)?|private[_-]?key|modal[_-]?key|body|dm[_-]?text)$",
    re.IGNORECASE,
)
"""Names whose values are never logged. `body`: deliveries hold personal data."""

# One expression and one pass: this runs over every value of every line.
_SECRET_VALUES = re.compile(
    "|".join(
        (
            # keys and tokens by their prefixes
            r"\bwhsec_[A-Za-z0-9+/=_\-]+",
            r"\b(?:r8|sk|rk|pk|wk|ws|ghp|xox[abp])[-_][A-Za-z0-9_\-]{8,}",
            r"\bAKIA[0-9A-Z]{12,}",
            r"\beyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*",
            r"\b(?i:bearer|basic|token)\s+[A-Za-z0-9._~+/=\-]{8,}",
            r"\bv1,[A-Za-z0-9+/=]{20,}",
            # passwords in addresses
            r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)",
            # presigned URLs and other signed queries
            r"(?<=[?&])(?i:x-amz-[a-z-]+|signature|sig|token|key|secret|api_key|access_token)"
            r"=[^&\s\"']+",
        )
    )
)


@lru_cache(maxsize=1024)
def _names_a_secret(name: str) -> bool:
    return _SECRET_NAMES.search(name) is not None


def redact_text(text: str) -> str:
    """`text` with everything in it that looks like a secret replaced."""
    return _SECRET_VALUES.sub(REDACTED, text)


def redact(value: object, name: str = "") -> object:
    """`value` without secrets: by name, by shape, in nested mappings and sequences too."""
    if name and _names_a_secret(name):
        return REDACTED
    match value:
        case str():
            return redact_text(value)
        case bytes():
            return f"[{len(value)} bytes]"
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(key): redact(item, str(key)) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list() | tuple() | set() | frozenset():
            return [redact(item) for item in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return redact_text(str(value))


def redacting_processor(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    """The structlog processor; it stands after exceptions were made into text."""
    for name in list(event):
        event[name] = redact(event[name], name)
    return event


def configure(
    log_format: LogFormat = "console", *, level: str = "INFO", stream: TextIO | None = None
) -> None:
    """Write structlog's and the standard library's records, one line each, to `stream` (stderr).

    Both go through the same redaction: a library that logs a URL is covered too.
    """
    output = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    rendered: list[structlog.typing.Processor] = [
        redacting_processor,
        _renderer(log_format, terminal=output.isatty()),
    ]
    # Our own records do not pass through the standard library: half the time per line.
    structlog.configure(
        processors=[*shared, *rendered],
        logger_factory=structlog.WriteLoggerFactory(output),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)


def _renderer(log_format: LogFormat, *, terminal: bool) -> structlog.typing.Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(default=str)
    if terminal:
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.KeyValueRenderer(
        key_order=["timestamp", "level", "event"], drop_missing=True, repr_native_str=False
    )
