"""Is this the same person? Belongs here: the port, and choosing the scorer that settings name.

Does not: thresholds (quality.py), any scorer. A scorer describes a picture once and compares
descriptions; "not measured" (no face found) is None, and None is never a pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from vixen_pipeline.errors import SettingsMissing
from vixen_pipeline.pictures.files import Picture
from vixen_pipeline.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Descriptor = NDArray[np.float32]


class IdentityScorer(Protocol):
    """Describes the person in a picture and compares two descriptions. Safe for threads."""

    @property
    def name(self) -> str:
        """Kept with every score: scores of different scorers are never compared."""
        ...

    def describe(self, picture: Picture) -> Descriptor | None:
        """What is to be compared, or None when there is nothing to measure."""
        ...

    def similarity(self, one: Descriptor, other: Descriptor) -> float:
        """1.0 for the same description; lower for less alike."""
        ...


def build_scorer(settings: Settings) -> IdentityScorer:
    """The scorer of these settings. Raises SettingsMissing when its extra is not installed."""
    if settings.identity_scorer == "appearance":
        from vixen_pipeline.pictures.scorers_appearance import AppearanceScorer

        return AppearanceScorer()
    from vixen_pipeline.pictures.scorers_dlib import DlibScorer, dlib_installed

    if not dlib_installed():
        raise SettingsMissing(
            "settings",
            ["VIXEN_IDENTITY_SCORER=dlib needs the extra: pip install 'vixen-pipeline[faces]'"],
        )
    return DlibScorer()
