"""Face embeddings by dlib, an extra. Belongs here: one IdentityScorer. Not: thresholds.

Detects the largest face, aligns it by landmarks and embeds it into 128 numbers. Where no face is
found nothing is measured. The models come from the package `face_recognition_models`.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false, reportAttributeAccessIssue=false
from __future__ import annotations

import importlib.util
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vixen_pipeline.pictures.files import Picture

if TYPE_CHECKING:
    from vixen_pipeline.pictures.scorers import Descriptor

LONG_SIDE = 640
"""Faces are looked for in a picture of this size: a whole face is then still large enough."""


def dlib_installed() -> bool:
    """Whether the extra `faces` is there; imports nothing."""
    return all(importlib.util.find_spec(name) for name in ("dlib", "face_recognition_models"))


class DlibScorer:
    """Cosine similarity of unit-length face embeddings, 1 - distance²/2."""

    name = "dlib"

    def __init__(self) -> None:
        # The detector and the networks keep scratch space: one thread at a time.
        self._lock = threading.Lock()

    @cached_property
    def _models(self) -> tuple[Any, Any, Any]:
        import dlib
        import face_recognition_models as files

        return (
            dlib.get_frontal_face_detector(),
            dlib.shape_predictor(files.pose_predictor_five_point_model_location()),
            dlib.face_recognition_model_v1(files.face_recognition_model_location()),
        )

    def describe(self, picture: Picture) -> Descriptor | None:
        import numpy as np

        image = picture.image.copy()
        image.thumbnail((LONG_SIDE, LONG_SIDE))
        pixels = np.asarray(image)
        with self._lock:
            detector, landmarks, network = self._models
            # Looking closer takes four times as long: only for small faces.
            faces = list(detector(pixels, 0)) or list(detector(pixels, 1))
            if not faces:
                return None
            face = max(faces, key=lambda found: found.area())
            embedding = network.compute_face_descriptor(pixels, landmarks(pixels, face))
        vector = np.asarray(embedding, dtype=np.float32)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def similarity(self, one: Descriptor, other: Descriptor) -> float:
        import numpy as np

        return float(np.dot(one, other))
