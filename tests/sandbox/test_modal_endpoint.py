"""The sandbox's inference endpoint: once per request id, read back, odd pictures, the pool."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from PIL import Image, UnidentifiedImageError
from sandbox_kit import Receiver

from vixen_pipeline.sandbox.testing import Sandbox

TENSOR = {"x.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
HEAD = json.dumps(TENSOR).encode()
WEIGHTS = len(HEAD).to_bytes(8, "little") + HEAD + bytes(4)
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def modal(sandbox: Sandbox) -> Generator[httpx.Client]:
    headers = {"Modal-Key": sandbox.token, "Modal-Secret": sandbox.token}
    with httpx.Client(base_url=f"{sandbox.url}/modal", headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def url(receiver: Receiver) -> str:
    receiver.files["/weights"] = WEIGHTS
    return f"{receiver.url}/weights"


def order(url: str, request_id: str = "r1", count: int = 2, **more: Any) -> dict[str, Any]:
    prompts = [
        {"id": f"p{n}", "prompt": f"in a park {n}", "seed": n, "width": 256, "height": 256}
        for n in range(count)
    ]
    given = {"weights_url": url, "weights_sha256": SHA256, "request_id": request_id}
    return {**given, "prompts": prompts, **more}


def pictures(answer: dict[str, Any]) -> dict[str, bytes]:
    return {name: base64.b64decode(one["image"]) for name, one in answer["images"].items()}


def test_a_request_sent_again_is_answered_by_the_first_run(
    modal: httpx.Client, url: str, sandbox: Sandbox
) -> None:
    sandbox.control.latency("modal_work", 0.2)
    with ThreadPoolExecutor(3) as pool:
        bodies = [order(url), order(f"{url}?signed=again"), order(f"{url}?signed=later")]
        answers = [a.json() for a in pool.map(lambda b: modal.post("/generate", json=b), bodies)]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["request_id"] == "r1"
    assert len(answers[0]["model_digest"]) == 64
    assert sandbox.control.state()["modal"] == {"runs": 1, "images": 2}
    assert modal.get("/results/r1").json() == answers[0]


def test_a_request_id_is_not_taken_for_other_work(
    modal: httpx.Client, url: str, sandbox: Sandbox
) -> None:
    modal.post("/generate", json=order(url))
    other = modal.post("/generate", json=order(url, count=3))
    assert (other.status_code, other.json()["error"]["code"]) == (409, "request_differs")
    assert sandbox.control.state()["modal"]["runs"] == 1


def test_a_result_is_running_then_there_then_too_old(
    modal: httpx.Client, url: str, sandbox: Sandbox
) -> None:
    unknown = modal.get("/results/r1")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_request")
    sandbox.control.latency("modal_work", 30)
    sandbox.control.latency("modal_redirect", 0.05)
    assert modal.post("/generate", json=order(url, count=2)).status_code == 303
    running = modal.get("/results/r1")
    assert (running.status_code, running.json()) == (202, {"status": "running"})
    sandbox.control.advance(59)
    assert modal.get("/results/r1").status_code == 202  # two pictures take twice as long as one
    sandbox.control.advance(1.5)
    assert set(modal.get("/results/r1").json()["images"]) == {"p0", "p1"}
    sandbox.control.advance(7 * 86400 + 60)
    assert modal.get("/results/r1").status_code == 404


def test_unusable_weights_leave_the_request_id_free(
    modal: httpx.Client, url: str, sandbox: Sandbox
) -> None:
    lost = modal.post("/generate", json=order(f"{url}-expired"))
    assert (lost.status_code, lost.json()["error"]["code"]) == (422, "weights_unavailable")
    wrong = order(url, embeddings_url=url, embeddings_sha256="0" * 64)
    assert modal.post("/generate", json=wrong).json()["error"]["code"] == "weights_mismatch"
    assert modal.get("/results/r1").status_code == 404
    right = order(url, embeddings_url=url, embeddings_sha256=SHA256, trigger_word="vxn_luna")
    assert modal.post("/generate", json=right).status_code == 200


def test_a_lost_reply_is_read_back_and_a_vanished_run_is_not(
    modal: httpx.Client, url: str, sandbox: Sandbox
) -> None:
    sandbox.control.fault("modal", "drop_reply", phase="after")
    with pytest.raises(httpx.TransportError):
        modal.post("/generate", json=order(url))
    assert modal.get("/results/r1").status_code == 200
    sandbox.control.fault("modal", "vanish")
    assert modal.post("/generate", json=order(url, "r2")).status_code == 500
    assert modal.get("/results/r2").status_code == 404


def test_another_requests_answer_is_sent_once(
    modal: httpx.Client, url: str, sandbox: Sandbox
) -> None:
    sandbox.control.fault("modal", "other_request")
    foreign = modal.post("/generate", json=order(url)).json()
    right = modal.post("/generate", json=order(url)).json()
    assert foreign["request_id"] != right["request_id"] == "r1"
    assert foreign["images"].keys() == right["images"].keys()
    assert not set(pictures(foreign).values()) & set(pictures(right).values())


@pytest.mark.parametrize("kind", ["black", "gif", "tiny", "bomb", "truncated"])
def test_an_odd_picture_comes_with_its_own_right_digest(
    modal: httpx.Client, url: str, sandbox: Sandbox, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    sandbox.control.fault("modal", kind)
    answer = modal.post("/generate", json=order(url, kind)).json()
    data = pictures(answer)["p0"]
    assert hashlib.sha256(data).hexdigest() == answer["images"]["p0"]["sha256"]
    assert len(data) < 200_000
    try:
        with Image.open(io.BytesIO(data)) as image:
            seen = (image.format, image.size)
            if kind != "bomb":
                image.load()
                low, high = image.convert("L").getextrema()
                assert (high == 0) is (kind == "black"), (low, high)
    except (OSError, UnidentifiedImageError):
        assert kind == "truncated"
        return
    wanted = {"gif": ("GIF", (256, 256)), "tiny": ("JPEG", (1, 1)), "bomb": ("PNG", (10000, 10000))}
    assert seen == wanted.get(kind, ("JPEG", (256, 256)))


def test_ids_may_be_strange_doubled_or_fail(
    modal: httpx.Client, url: str, sandbox: Sandbox
) -> None:
    sandbox.control.fault("modal", "stranger_id")
    assert set(modal.post("/generate", json=order(url, "a")).json()["images"]) == {
        "p0", "p0-stranger", "p1",
    }  # fmt: skip
    sandbox.control.fault("modal", "doubled")
    text = modal.post("/generate", json=order(url, "b")).text
    pairs: list[list[str]] = []
    json.loads(text, object_pairs_hook=lambda found: pairs.append([name for name, _ in found]))
    assert ["p0", "p0", "p1"] in pairs
    sandbox.control.fault("modal", "flagged")
    failed = modal.post("/generate", json=order(url, "c")).json()
    assert (failed["failed"], set(failed["images"])) == ({"p0": "safety checker"}, {"p1"})


def test_pictures_of_the_pool_are_dealt_once_to_each_person(
    modal: httpx.Client, url: str, sandbox: Sandbox
) -> None:
    sandbox.control.predrawn(count=12, width=256, height=256)
    first = modal.post("/generate", json=order(url, "a", count=6)).json()
    begun = time.monotonic()
    second = modal.post("/generate", json=order(url, "b", count=6)).json()
    assert time.monotonic() - begun < 2
    found = {hashlib.sha256(_pixels(data)).digest() for answer in (first, second)
             for data in pictures(answer).values()}  # fmt: skip
    assert len(found) == 12
    assert modal.get("/results/b").json() == second
    sandbox.control.reset()
    assert modal.get("/results/b").status_code == 404


def _pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.tobytes()
