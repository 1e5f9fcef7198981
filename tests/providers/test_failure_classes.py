"""One taxonomy: which failure is Transient, Permanent or Unknown, and how long to wait."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vixen_pipeline.errors import Busy, Permanent, ProviderError, Transient, Unknown
from vixen_pipeline.providers.failures import classify, edge, from_status
from vixen_pipeline.providers.retry_after import LONGEST, wait_seconds


def status(
    code: int, body: object = None, *, repeatable: bool = True, **headers: str
) -> ProviderError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = json.dumps(body or {}).encode()
    return from_status("p", code, httpx.Headers(named), raw, repeatable=repeatable)


@pytest.mark.parametrize(
    ("code", "repeatable", "wanted"),
    [
        (400, True, Permanent),
        (401, True, Permanent),
        (404, False, Permanent),
        (408, False, Transient),
        (409, True, Transient),
        (409, False, Permanent),
        (422, False, Permanent),
        (429, False, Transient),
        (500, True, Transient),
        (500, False, Unknown),
        (501, False, Permanent),
        (503, False, Unknown),
        (529, True, Transient),
    ],
)
def test_each_status_has_one_class(code: int, repeatable: bool, wanted: type) -> None:
    assert type(status(code, repeatable=repeatable)) is wanted


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (429, {"error": {"message": "m", "type": "insufficient_quota", "code": None}}),
        (429, {"error": {"message": "m", "type": "x", "code": "insufficient_quota"}}),
        (
            429,
            {
                "type": "error",
                "error": {
                    "type": "rate_limit_error",
                    "message": "m",
                    "details": {"error_code": "enforced_spend_limit_reached"},
                },
            },
        ),
        (402, {"title": "Insufficient credit", "detail": "m", "status": 402}),
    ],
)
def test_spent_money_is_permanent_and_says_what_to_do(code: int, body: object) -> None:
    error = status(code, body, x_should_retry="true")
    assert isinstance(error, Permanent)
    assert error.code == "quota"
    assert "billing" in str(error)


def test_the_server_s_own_advice_on_retrying_is_obeyed() -> None:
    assert isinstance(status(429, x_should_retry="false"), Permanent)
    assert isinstance(status(500, x_should_retry="false"), Permanent)
    assert isinstance(status(400, x_should_retry="true"), Transient)
    assert isinstance(status(500, x_should_retry="false", repeatable=False), Unknown)


def test_the_line_for_a_person_names_provider_reason_and_status_but_no_credential() -> None:
    leak = "cannot fetch https://r2.example/a.zip?X-Amz-Signature=abc now"
    error = status(422, {"detail": leak})
    assert str(error) == "p: cannot fetch https://r2.example/a.zip?… now (HTTP 422)"


def test_an_html_error_page_is_cut_to_one_line() -> None:
    error = from_status("p", 502, {}, b"<html>\n" + b"x" * 5000, repeatable=True)
    assert "\n" not in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize(
    ("name", "when_effect"),
    [
        ("ConnectError", Transient),
        ("ConnectTimeout", Transient),
        ("PoolTimeout", Transient),
        ("ReadTimeout", Unknown),
        ("WriteTimeout", Unknown),
        ("ReadError", Unknown),
        ("RemoteProtocolError", Unknown),
        ("UnsupportedProtocol", Permanent),
    ],
)
def test_transport_failures_are_unknown_once_something_may_have_been_sent(
    library: object, name: str, when_effect: type
) -> None:
    error = getattr(library, name)("boom")
    assert type(classify("p", error, repeatable=False)) is when_effect
    when_read = Transient if when_effect is Unknown else when_effect
    assert type(classify("p", error, repeatable=True)) is when_read


def test_our_own_errors_and_programming_errors_pass_the_edge_unchanged() -> None:
    with pytest.raises(Busy), edge("p", repeatable=True):
        raise Busy("held")
    with pytest.raises(TypeError), edge("p", repeatable=True):
        raise TypeError("a bug")


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after": "7"}, "", 7),
        ({"retry-after": "1.5"}, "", 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, "", 0.25),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, "", 30),
        ({"retry-after": "2026-11-22T12:01:00Z"}, "", 60),
        ({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, "", 0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, "", 360),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"}, "", 0.12),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "1s"}, "", None),
        (
            {
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-22T12:00:05Z",
            },
            "",
            5,
        ),
        ({}, "Request was throttled. Your rate limit resets in ~5s.", 5),
        ({}, "Request was throttled. Expected available in 1 second.", 1),
        ({}, "Please try again in 2 minutes", 120),
        ({}, "Please try again in 340ms.", 0.34),
        ({}, "no idea", None),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "999999"}, "", LONGEST),
    ],
)
def test_the_wait_is_read_from_headers_then_prose(
    headers: dict[str, str], message: str, seconds: float | None
) -> None:
    found = wait_seconds(httpx.Headers(headers), message, now=NOW)
    assert found == (None if seconds is None else pytest.approx(seconds))


@given(st.text(max_size=40), st.text(max_size=80))
def test_nothing_a_server_sends_breaks_the_reading_of_a_wait(value: str, prose: str) -> None:
    headers = {"retry-after": value, "x-ratelimit-remaining-tokens": "0"}
    headers["x-ratelimit-reset-tokens"] = value
    found = wait_seconds(headers, prose, now=NOW)
    assert found is None or 0 <= found <= LONGEST


@given(st.integers(0, 3_000))
def test_dates_and_seconds_say_the_same(seconds: int) -> None:
    date = (NOW + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    by_date = wait_seconds({"retry-after": date}, now=NOW)
    assert by_date == wait_seconds({"retry-after": str(seconds)}, now=NOW)
