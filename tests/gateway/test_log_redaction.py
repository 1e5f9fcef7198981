"""Nothing secret is written, whatever carries it."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from vixen_pipeline import logs

SECRETS = {
    "standard webhook key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "replicate token": "r8_abcdefghijklmnop1234",
    "anthropic key": "sk-ant-api03-abcdefgh_ijkl",
    "openai key": "sk-proj-abcdefghijkl",
    "stripe key": "rk_live_abcdefghijkl",
    "aws key id": "AKIAABCDEFGHIJKLMNOP",
    "bearer": "Bearer abcdef1234567890",
    "json web token": "eyJhbGciOi.eyJzdWIiOjF9.c2lnbmF0dXJl",
    "password in an address": "postgresql://vixen:hunter2hunter2@db/vixen",
    "presigned query": "https://s3/x.png?X-Amz-Credential=AK/1&X-Amz-Signature=deadbeef99",
}
HIDDEN = {
    "password in an address": "hunter2",
    "presigned query": "deadbeef99",
    "bearer": "abcdef1234567890",
}


@pytest.fixture(autouse=True)
def restore():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize("kind", SECRETS)
def test_secrets_are_taken_out_wherever_they_stand(kind: str):
    secret = SECRETS[kind]
    hidden = HIDDEN.get(kind, secret)
    output = io.StringIO()
    logs.configure("json", stream=output)
    log = structlog.get_logger("test")
    log.info("event.one", url=secret)
    log.info("event.two", nested={"list": [secret, {"deep": f"a {secret} b"}]})
    logging.getLogger("library").warning("calling %s", secret)
    try:
        raise ValueError(f"failed with {secret}")
    except ValueError:
        log.exception("event.three")
    assert hidden not in output.getvalue()
    assert len(output.getvalue().splitlines()) == 4


def test_names_that_hold_secrets_hide_any_value_and_others_stay():
    output = io.StringIO()
    logs.configure("json", stream=output)
    structlog.get_logger("test").info(
        "event", api_key="k", modal_secret="m", authorization="a", body=b"dm", avatar="fitness:luna"
    )
    record = json.loads(output.getvalue())
    assert {record[name] for name in ("api_key", "modal_secret", "authorization", "body")} == {
        logs.REDACTED
    }
    assert (record["avatar"], record["event"]) == ("fitness:luna", "event")


def test_console_lines_are_redacted_too():
    output = io.StringIO()
    logs.configure("console", stream=output)
    structlog.get_logger("test").info("event", header=SECRETS["bearer"])
    assert "abcdef1234567890" not in output.getvalue()
    assert "event" in output.getvalue()


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz 0123456789:-", max_size=60))
def test_ordinary_words_pass_unchanged(text: str):
    if not any(word in text for word in ("bearer", "basic", "token", "sk-", "rk-", "pk-")):
        assert logs.redact_text(text) == text or "-" in text
