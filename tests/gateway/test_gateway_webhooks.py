"""Deliveries over real HTTP into a real database: what lands, and what never does."""

from __future__ import annotations

import socket
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from gateway_kit import landed, new_secret, signed
from vixen_testkit import listening_socket, serve

from vixen_pipeline.errors import SettingsMissing
from vixen_pipeline.gateway.app import create_app
from vixen_pipeline.gateway.sources import sources_from
from vixen_pipeline.gateway.webhooks import MAX_BODY_BYTES
from vixen_pipeline.settings import load_settings

PATH = "/webhooks/replicate"
BODY = '{"id":"t1","status":"succeeded","logs":"ünï"}'.encode()
OLD, CURRENT = new_secret(), new_secret()


@pytest.fixture
def gateway(database_url: str, dagster_url: str) -> Generator[httpx.Client]:
    settings = load_settings(replicate_webhook_secrets=f"{OLD}, {CURRENT}")
    app = create_app(database_url, dagster_url, sources_from(settings))
    with serve(app, listening_socket()) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


@pytest.fixture
def dagster_url(database_url: str) -> str:
    """A database without Dagster's tables: the gateway must not mind."""
    return database_url


def test_a_signed_delivery_lands_with_its_raw_bytes(gateway: httpx.Client, database_url: str):
    headers = signed(BODY, CURRENT, event_id="msg_1")
    answer = gateway.post(PATH, content=BODY, headers=headers)
    assert answer.status_code == 200
    assert landed(database_url) == [("replicate", "msg_1", BODY)]


def test_a_key_that_is_being_rotated_out_still_works(gateway: httpx.Client, database_url: str):
    for number, secret in enumerate([OLD, CURRENT, (OLD, CURRENT), (new_secret(), CURRENT)]):
        headers = signed(BODY, secret, event_id=f"msg_{number}")
        assert gateway.post(PATH, content=BODY, headers=headers).status_code == 200
    assert len(landed(database_url)) == 4


def test_the_same_delivery_five_times_at_once_is_one_row(gateway: httpx.Client, database_url: str):
    headers = signed(BODY, CURRENT, event_id="msg_same")
    with ThreadPoolExecutor(5) as threads:
        answers = list(
            threads.map(lambda _: gateway.post(PATH, content=BODY, headers=headers), range(5))
        )
    assert [answer.status_code for answer in answers] == [200] * 5
    assert sum("duplicate" not in answer.json() for answer in answers) == 1
    assert len(landed(database_url)) == 1


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, lambda: signed(BODY, new_secret())),
        (401, lambda: signed(b'{"id":"t2"}', CURRENT)),
        (401, lambda: signed(BODY, CURRENT, at=now() - timedelta(seconds=310))),
        (401, lambda: signed(BODY, CURRENT, at=now() + timedelta(seconds=310))),
        (401, lambda: {**signed(BODY, CURRENT), "webhook-timestamp": "soon"}),
        (401, lambda: {**signed(BODY, CURRENT), "webhook-timestamp": "nan"}),
        (401, lambda: {**signed(BODY, CURRENT), "webhook-id": "another"}),
        (401, lambda: {**signed(BODY, CURRENT), "webhook-signature": "v1,%%%"}),
        (401, lambda: {**signed(BODY, CURRENT), "webhook-signature": "nonsense"}),
        (401, lambda: {**signed(BODY, CURRENT), "webhook-signature": "v2,YWJj"}),
        (400, lambda: {**signed(BODY, CURRENT), "webhook-signature": ""}),
        (400, lambda: {**signed(BODY, CURRENT), "webhook-id": "x" * 300}),
        (400, dict),
    ],
    ids=[
        "another secret",
        "altered body",
        "too old",
        "too new",
        "timestamp is a word",
        "timestamp is not a number",
        "another id",
        "broken base64",
        "no list",
        "another version",
        "empty signature",
        "endless id",
        "no headers",
    ],
)
def test_a_delivery_that_does_not_prove_itself_leaves_no_row(
    gateway: httpx.Client, database_url: str, status: int, headers
):
    answer = gateway.post(PATH, content=BODY, headers=headers())
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]
    assert landed(database_url) == []


def test_deliveries_within_the_tolerance_are_taken(gateway: httpx.Client, database_url: str):
    for seconds in (-290, 290):
        headers = signed(BODY, CURRENT, at=now() + timedelta(seconds=seconds))
        assert gateway.post(PATH, content=BODY, headers=headers).status_code == 200
    assert len(landed(database_url)) == 2


def test_bytes_that_are_no_text_are_refused(gateway: httpx.Client, database_url: str):
    body = b"\xff\xfe"
    answer = gateway.post(PATH, content=body, headers=signed(body, CURRENT))
    assert answer.status_code == 400
    assert landed(database_url) == []


def test_an_oversized_body_is_refused_by_its_declared_length(
    gateway: httpx.Client, database_url: str
):
    body = b"x" * (MAX_BODY_BYTES + 1)
    answer = gateway.post(PATH, content=body, headers=signed(body, CURRENT))
    assert answer.status_code == 413
    assert landed(database_url) == []


def test_an_oversized_chunked_body_is_refused_before_it_has_ended(
    gateway: httpx.Client, database_url: str
):
    host, port = gateway.base_url.host, gateway.base_url.port
    chunk = b"%x\r\n" % 65536 + b"x" * 65536 + b"\r\n"
    request = f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.sendall(request.encode())
        connection.sendall(chunk * (MAX_BODY_BYTES // 65536 + 1))  # never ends it
        assert b" 413 " in connection.recv(200)
    assert landed(database_url) == []


def test_a_body_of_exactly_the_limit_is_taken(gateway: httpx.Client, database_url: str):
    body = b"x" * MAX_BODY_BYTES
    assert gateway.post(PATH, content=body, headers=signed(body, CURRENT)).status_code == 200
    assert len(landed(database_url)[0][2]) == MAX_BODY_BYTES


def test_an_endpoint_without_a_secret_is_off_and_says_so(database_url: str):
    app = create_app(database_url, database_url, sources_from(load_settings()))
    with serve(app, listening_socket()) as url:
        answer = httpx.post(url + PATH, content=BODY, headers=signed(BODY, CURRENT))
    assert answer.status_code == 404
    assert "VIXEN_REPLICATE_WEBHOOK_SECRETS is not set" in answer.json()["error"]
    assert landed(database_url) == []


def test_unknown_providers_and_methods_are_not_routes(gateway: httpx.Client):
    assert gateway.post("/webhooks/nobody", content=b"{}").status_code == 404
    assert gateway.get(PATH).status_code == 405


def test_an_unusable_secret_is_named_without_being_printed():
    bad = "whsec_not base64!"
    with pytest.raises(SettingsMissing) as caught:
        sources_from(load_settings(replicate_webhook_secrets=f"{CURRENT},{bad}"))
    assert caught.value.problems == (
        "VIXEN_REPLICATE_WEBHOOK_SECRETS: key 2 is not whsec_ followed by base64",
    )


def test_a_key_that_could_be_guessed_is_refused():
    with pytest.raises(SettingsMissing) as caught:
        sources_from(load_settings(replicate_webhook_secrets="whsec_YQ=="))
    assert caught.value.problems == (
        "VIXEN_REPLICATE_WEBHOOK_SECRETS: key 1 has 1 bytes; at least 16",
    )
