"""Structured logs without secrets: a constant event name plus identifiers.

Belongs here: how log lines are written and what is taken out of them. Does not: what is logged.
`configure` is called once per process edge; until then structlog's own default applies.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
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

_SECRET_VALUES = (
    # whsec_… and the tokens of providers
    re.compile(r"\bwhsec_[A-Za-z0-9+/=_\-]+"),
    re.compile(r"\b(?:r8|sk|rk|pk|wk|ws|ghp|xox[abp])[-_][A-Za-z0-9_\-]{8,}"),
    re.compile(r"\bAKIA[0-9A-Z]{12,}"),
    re.compile(r"\beyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*"),
    re.compile(r"(?i)\b(?:bearer|basic|token)\s+[A-Za-z0-9._~+/=\-]{8,}"),
    re.compile(r"\bv1,[A-Za-z0-9+/=]{20,}"),
    # passwords in addresses
    re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"),
    # presigned URLs and other signed queries
    re.compile(
        r"(?i)(?<=[?&])(?:x-amz-[a-z-]+|signature|sig|token|key|secret|api_key|access_token)"
        r"=[^&\s\"']+"
    ),
)


def redact_text(text: str) -> str:
    """`text` with everything in it that looks like a secret replaced."""
    for pattern in _SECRET_VALUES:
        text = pattern.sub(REDACTED, text)
    return text


def redact(value: object, name: str = "") -> object:
    """`value` without secrets: by name, by shape, in nested mappings and sequences too."""
    if name and _SECRET_NAMES.search(name):
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
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(default=str)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=output.isatty())
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redacting_processor,
            renderer,
        ],
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
