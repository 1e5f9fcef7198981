"""Deterministic embeddings: hashed words, word pairs and letter groups on a unit sphere.

Belongs here: text to vector. Does not: the wire form (openai_embeddings). Near-duplicates come out
above 0.95 in cosine, texts about different persons below 0.8; meaning is not understood.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from itertools import pairwise

_WORD = re.compile(r"\w+")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a about after all also am an and any are as at be because been before but by can "
        "could did do does for from had has have he her here him his how i if in into is it "
        "its just like me more most my never no not now of off on once one only or other our "
        "out over own s she so some than that the their them then there these they this those "
        "through to too under until up very was way we were what when where which while who "
        "why will with without would you your virtual persona creator name biography backstory "
        "traits interests goals tone location limits voice ",
    )
)
_PAIR_WEIGHT = 0.3
_LETTERS_WEIGHT = 0.12
_COMMON_WEIGHT = 0.05
_SHARED = 64
_SHARED_POWER = 0.5
"""Part that all texts share, relative to their own: real embeddings are not orthogonal either."""


def embed(text: str, dimensions: int) -> list[float]:
    """A unit vector of `dimensions` floats; equal texts (but for case and spacing) are equal."""
    vector = [0.0] * dimensions
    features = _features(text)
    power = sum(weight * weight for weight in features.values()) or 1.0
    shared = math.sqrt(power * _SHARED_POWER / _SHARED)
    features.update({f"shared:{index}": shared for index in range(_SHARED)})
    for feature, weight in features.items():
        digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
        number = int.from_bytes(digest)
        vector[(number >> 1) % dimensions] += weight if number & 1 else -weight
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def _features(text: str) -> dict[str, float]:
    words = _WORD.findall(text.lower())
    telling = [word for word in words if word not in _COMMON]
    found: dict[str, float] = {}

    def add(counts: Counter[str], kind: str, weight: float) -> None:
        for item, count in counts.items():
            found[f"{kind}:{item}"] = weight * (1 + math.log(count))

    add(Counter(telling), "w", 1.0)
    add(Counter(word for word in words if word in _COMMON), "c", _COMMON_WEIGHT)
    add(Counter(map(" ".join, pairwise(telling))), "p", _PAIR_WEIGHT)
    groups = (f"<{word}>"[i : i + 4] for word in telling for i in range(len(word) - 1))
    add(Counter(groups), "g", _LETTERS_WEIGHT)
    return found
