"""Pictures drawn in advance, so that a benchmark of a client is not billed for drawing.

Belongs here: the pool and who gets which picture. Does not: drawing. In this mode everybody looks
the same; the pictures of one person still differ from each other in bytes and to the eye.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from dataclasses import replace
from functools import lru_cache

from vixen_pipeline.sandbox.drawing import Order, draw
from vixen_pipeline.sandbox.drawing_look import Look, look_from_prompt
from vixen_pipeline.sandbox.drawing_shot import EXPRESSIONS, FRAMINGS, PLACES

_PERSON = "adult woman, auburn long waves hair, green eyes, fair skin, wearing navy sweater"
_WORDS = {"close": "face close-up", "bust": "bust", "half": "half body", "full": "full body"}
_building = threading.Lock()


class PreDrawn:
    """Deals out the pool: each person gets every picture once before it is drawn anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._dealt: Counter[str] = Counter()

    def take(self, order: Order, person: str, mark: str, pool: int) -> tuple[bytes, Look]:
        """The bytes of a picture for this person, marked so that no two are equal; who is shown.

        `pool` is how many pictures are drawn in advance; past that, each is drawn when asked for.
        """
        [turn] = self.turns(person, 1)
        return self.deal(order, turn, person, mark, pool)

    def turns(self, person: str, count: int) -> list[int]:
        """The next `count` turns of a person: who keeps them gets the same pictures again."""
        with self._lock:
            begun = self._dealt[person]
            self._dealt[person] += count
        return list(range(begun, begun + count))

    def deal(
        self, order: Order, turn: int, person: str, mark: str, pool: int
    ) -> tuple[bytes, Look]:
        """The picture of one turn."""
        look = look_from_prompt(_PERSON)
        # The first is drawn as asked for: a portrait that others are compared with must be one.
        if turn == 0 or turn >= pool or order.format != "jpg":
            return draw(replace(order, look=look, mark=mark)), look
        with _building:
            ready = pictures(order.width, order.height, order.quality, pool)
        start = hashlib.sha256(person.encode()).digest()[0]
        return marked(ready[(start + turn) % pool], mark), look

    def forget(self) -> None:
        with self._lock:
            self._dealt.clear()


@lru_cache(maxsize=4)
def pictures(width: int, height: int, quality: int, count: int) -> tuple[bytes, ...]:
    """The pool of one size: `count` pictures that differ in every dimension of a shot."""
    look = look_from_prompt(_PERSON)
    framings = [_WORDS[name] for name in FRAMINGS]
    found: list[bytes] = []
    for index in range(count):
        place = PLACES[index % len(PLACES)][0]
        expression = EXPRESSIONS[index % len(EXPRESSIONS)][0]
        framing = framings[(index // 3) % 3]
        prompt = f"{_PERSON}, {framing}, {expression}, {place} background"
        found.append(draw(Order(prompt, index, width, height, look, quality=quality)))
    return tuple(found)


def marked(jpeg: bytes, mark: str) -> bytes:
    """The same JPEG with a comment of its own, right after its first marker."""
    comment = f"sandbox {mark}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]
