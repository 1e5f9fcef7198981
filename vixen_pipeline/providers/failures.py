"""One failure taxonomy for all providers, decided once, at the client edge.

Belongs here: from any SDK's exception or HTTP status to Transient, Permanent or Unknown, and how
long to wait. Does not: retrying (the effects service does), storage failures (objects.py).

What decides is whether the call may be repeated. `repeatable=True` is a read, or a call whose
repetition costs money at most (text, embeddings, moderation): whatever may work later is
Transient. `repeatable=False` is a call with a lasting effect (prediction, training): what may have
reached the provider is Unknown, and is read back before anything else is done.

| what came                                  | repeatable | effect    |
|--------------------------------------------|------------|-----------|
| not connected, no free connection, 408     | Transient  | Transient |
| 429                                        | Transient  | Transient |
| 429 by spend limit or quota, 402           | Permanent  | Permanent |
| other 4xx                                  | Permanent  | Permanent |
| 409, 425                                   | Transient  | Permanent |
| 5xx, dropped reply, time-out after sending | Transient  | Unknown   |
| an answer that cannot be read              | Transient  | Unknown   |

A header `x-should-retry` turns Transient into Permanent and back, except where money is out.
SDKs are told apart by class names, so that this module needs none of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import cast

from vixen_pipeline.errors import Permanent, ProviderError, Transient, Unknown, VixenError
from vixen_pipeline.providers.retry_after import wait_seconds

AUTH = "auth"
QUOTA = "quota"
GONE = "gone"
TIMEOUT = "timeout"
NO_CONNECTION = "no_connection"
DROPPED = "dropped"
UNREADABLE = "unreadable"
"""Stable values of `ProviderError.code`; others are the provider's own code or the status."""

_NEXT_STEP = {
    AUTH: "Check the key in the settings with `vixen doctor`.",
    QUOTA: "Raise the spend limit or add credit in the provider's billing page, then run again.",
}
_QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_error",
        "billing_hard_limit_reached",
        "billing_not_active",
        "enforced_spend_limit_reached",
    }
)
_NOT_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"})
_NEVER = frozenset({"UnsupportedProtocol", "LocalProtocolError", "InvalidURL", "TooManyRedirects"})
_LONGEST_MESSAGE = 300
_URL_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]+")


class StatusError(Exception):
    """An HTTP answer of 400 or more, with what the SDKs drop: its headers."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.headers = headers
        self.body = body


class Unreadable(Exception):
    """An answer that is not what the protocol says, e.g. HTML with status 200."""


@contextmanager
def edge(provider: str, *, repeatable: bool) -> Generator[None]:
    """Everything an SDK raises inside leaves as a ProviderError; our own errors pass."""
    try:
        yield
    except VixenError:
        raise
    except Exception as error:
        # The client edge: SDKs raise types of their own, and here is where they become ours.
        raise classify(provider, error, repeatable=repeatable) from error


def classify(provider: str, error: Exception, *, repeatable: bool) -> ProviderError:
    """The one ProviderError for `error`. Programming errors (TypeError, …) are re-raised."""
    for cause in _chain(error):
        if isinstance(cause, StatusError):
            return from_status(
                provider, cause.status, cause.headers, cause.body, repeatable=repeatable
            )
        names = _names(cause)
        if "APIStatusError" in names:
            return _from_sdk_status(provider, cause, repeatable=repeatable)
        if "RequestError" in names and names & {"httpx", "httpx2"}:
            return _from_transport(provider, names, repeatable=repeatable)
        if isinstance(cause, Unreadable | json.JSONDecodeError) or (
            names & {"APIResponseValidationError", "ValidationError", "DecodingError"}
        ):
            message = f"answered something unreadable ({one_line(str(cause))})."
            return _after_sending(provider, message, UNREADABLE, None, repeatable=repeatable)
    names = _names(error)
    if "APIConnectionError" in names:
        return _from_transport(provider, names, repeatable=repeatable)
    raise error


def from_status(
    provider: str, status: int, headers: Mapping[str, str], body: object, *, repeatable: bool
) -> ProviderError:
    """Classify an HTTP answer. `body` is bytes, text or decoded JSON."""
    content = _decoded(body)
    message, codes = _message_and_codes(content)
    line = f"{message or 'no explanation'} (HTTP {status})"
    code = str(status) if status == 404 or not codes else codes[0]
    if status == 402 or _QUOTA_CODES.intersection(codes):
        return Permanent(provider, line, code=QUOTA, next_step=_NEXT_STEP[QUOTA])
    if status in (401, 403):
        return Permanent(provider, line, code=AUTH, next_step=_NEXT_STEP[AUTH])
    wait = wait_seconds(headers, message)
    advice = headers.get("x-should-retry", "").lower()
    transient = status in (408, 429) or (repeatable and status in (409, 425))
    if status >= 500 and status != 501:
        if repeatable and advice == "false":
            return Permanent(provider, line, code=code)
        return _after_sending(provider, line, code, wait, repeatable=repeatable)
    if (transient and advice != "false") or (advice == "true" and status < 500):
        return Transient(provider, line, retry_after=wait, code=code)
    return Permanent(provider, line, code=GONE if status == 410 else code)


def _after_sending(
    provider: str, message: str, code: str, wait: float | None, *, repeatable: bool
) -> ProviderError:
    if repeatable:
        return Transient(provider, message, retry_after=wait, code=code)
    return Unknown(provider, message, code=code)


def _from_transport(provider: str, names: set[str], *, repeatable: bool) -> ProviderError:
    if names & _NEVER:
        return Permanent(
            provider, "the address cannot be used.", code="address", next_step=_NEXT_STEP[AUTH]
        )
    if names & _NOT_SENT:
        return Transient(provider, "cannot be reached.", code=NO_CONNECTION)
    if names & {"TimeoutException", "APITimeoutError"}:
        message, code = "did not answer in time.", TIMEOUT
    else:
        message, code = "dropped the connection before answering.", DROPPED
    return _after_sending(provider, message, code, None, repeatable=repeatable)


def _from_sdk_status(provider: str, error: BaseException, *, repeatable: bool) -> ProviderError:
    response: object = getattr(error, "response", None)
    headers = cast(Mapping[str, str], getattr(response, "headers", {}))
    status = int(getattr(error, "status_code", 0))
    # OpenAI's SDK unwraps {"error": …} in `body`; the response's own text has all of it.
    body: object = getattr(response, "text", None) or getattr(error, "body", None)
    return from_status(provider, status, headers, body, repeatable=repeatable)


def _chain(error: BaseException) -> Generator[BaseException]:
    """The exception and what caused it: SDKs wrap httpx errors in their own."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def _names(error: BaseException) -> set[str]:
    """Class names along the inheritance, and the packages they come from."""
    kinds = type(error).__mro__
    return {kind.__name__ for kind in kinds} | {kind.__module__.split(".")[0] for kind in kinds}


def _decoded(body: object) -> object:
    if isinstance(body, bytes):
        body = body.decode(errors="replace")
    if isinstance(body, str):
        try:
            return cast(object, json.loads(body))
        except ValueError:
            return body
    return body


def _message_and_codes(content: object) -> tuple[str, list[str]]:
    """The human line and every machine code of an error body, most specific first."""
    if not isinstance(content, Mapping):
        return one_line(str(content or "")), []
    tree = cast(Mapping[str, object], content)
    nested = tree.get("error")
    inner = cast(Mapping[str, object], nested) if isinstance(nested, Mapping) else tree
    details = inner.get("details")
    codes = [inner.get("code"), inner.get("type")]
    if isinstance(details, Mapping):
        codes.insert(0, cast(Mapping[str, object], details).get("error_code"))
    message = next(
        (str(inner[key]) for key in ("message", "detail", "title") if inner.get(key)),
        str(nested) if isinstance(nested, str) else "",
    )
    named = [str(code) for code in codes if code]
    return one_line(message), [code for code in named if ":" not in code]  # no type URIs


def one_line(text: str) -> str:
    """One line, cut, and without URL queries: those of presigned URLs are credentials."""
    line = _URL_QUERY.sub(r"\1?…", " ".join(text.split()))
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
