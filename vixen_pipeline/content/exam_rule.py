"""How weights are judged. Belongs here: figures of an exam, thresholds, the choice, all pure.

Does not: rendering, rows. Figures are kept and judged when they are read, so a threshold can move
without an image being made again. "Not measured" is never a pass.

The rule. A candidate (the final weights or a checkpoint) is *fit* when at least three quarters of
its prompts gave an image that can be scored, the mean and the 10th percentile of identity reach
their thresholds, the images differ from one another, at most a quarter of them are near-copies of
training images and at most a quarter are refused by moderation. Of the fit candidates, those whose
identity (the mean of both figures) is within CLOSE of the best are level; of these the most diverse
is chosen, and of equals the earlier one, which was trained less and so bends more easily.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import RenderedImage, WeightsExam
from vixen_pipeline.pictures.quality import (
    Thresholds,
    hash_distance,
    moderation_of,
)
from vixen_pipeline.safety.moderation import refusal_reason

LEAST_SHARE = 0.75
MOST_COPIES = 0.25
MOST_FLAGGED = 0.25
CLOSE = 0.01
IDENTITY_MEAN: dict[str, float] = {"appearance": 0.82, "dlib": 0.875}
IDENTITY_P10: dict[str, float] = {"appearance": 0.79, "dlib": 0.82}
"""appearance: measured over the sandbox's drawings of 14 people, two sets of seeds each: the right
person has a mean of 0.86 to 0.95 and a 10th percentile of 0.83 to 0.94, a stranger at most 0.78 and
0.75 (tests/content_exam/test_exam_calibration.py measures some of them again). dlib: the mean at
the distance that a single image must keep (0.5), the 10th percentile at the 0.6 that dlib's model
is published with; not measured on real weights yet."""
MIN_DIVERSITY = 16.0
"""Bits. Unrelated pictures differ in 32 of 64; the sandbox's good weights give 29 to 34."""


@dataclass(frozen=True, slots=True)
class ExamThresholds:
    """What a candidate must reach; distances in bits of a 64-bit hash."""

    identity_mean: Mapping[str, float] = field(default_factory=lambda: dict(IDENTITY_MEAN))
    identity_p10: Mapping[str, float] = field(default_factory=lambda: dict(IDENTITY_P10))
    diversity: float = MIN_DIVERSITY
    copy_bits: int = Thresholds().duplicate_bits


def scoreable(image: RenderedImage, scorer: str) -> bool:
    """Whether an image can stand for its prompt: stored, and everything about it measured."""
    return (
        image.unusable is None
        and image.object_key is not None
        and image.phash is not None
        and image.identity_score is not None
        and image.identity_scorer == scorer
        and isinstance((image.moderation or {}).get("flagged"), bool)
    )


def figures(images: Sequence[RenderedImage], asked: int, training: Sequence[int]) -> Json:
    """The columns of an exam: `images` are the scoreable ones of `asked` prompts, `training` the
    hashes of the images that the weights were trained on."""
    identities = [image.identity_score or 0.0 for image in images]
    hashes = [image.phash or 0 for image in images]
    nearest = [min((hash_distance(h, each) for each in training), default=None) for h in hashes]
    known = [distance for distance in nearest if distance is not None]
    pairs = [hash_distance(one, other) for one, other in combinations(hashes, 2)]
    flagged = [refusal_reason(moderation_of(image.moderation or {})) for image in images]
    return {
        "images": len(images),
        "identity_mean": statistics.fmean(identities) if identities else None,
        "identity_p10": percentile_10(identities),
        "diversity": statistics.fmean(pairs) if pairs else None,
        "nearest_training": min(known, default=None),
        "scores": {
            "asked": asked,
            "identity": identities,
            "nearest": known,
            "flagged": [reason for reason in flagged if reason is not None],
        },
    }


def percentile_10(values: Sequence[float]) -> float | None:
    """The 10th percentile, interpolated between neighbours; None of fewer than two values."""
    if len(values) < 2:
        return None
    return statistics.quantiles(values, n=10, method="inclusive")[0]


def enough(images: int, asked: int) -> bool:
    """Whether so many scoreable images of `asked` prompts are an exam."""
    return images >= math.ceil(LEAST_SHARE * asked)


def unfit_reasons(exam: WeightsExam, thresholds: ExamThresholds) -> list[str]:
    """Why a candidate must not be used, one line each with a stable kind; empty means fit."""
    scores = exam.scores or {}
    asked, images = int(scores.get("asked") or 0), exam.images or 0
    if not asked or not enough(images, asked):
        return [f"images: {images} of {asked} prompts gave an image that can be scored"]
    reasons = [
        *_identity("mean", exam.identity_mean, exam.scorer, thresholds.identity_mean),
        *_identity("10th percentile", exam.identity_p10, exam.scorer, thresholds.identity_p10),
    ]
    if exam.diversity is None or not exam.diversity >= thresholds.diversity:
        shown = "not measured" if exam.diversity is None else f"{exam.diversity:.1f} bits"
        reasons.append(f"diversity: {shown}, at least {thresholds.diversity:.0f} bits")
    reasons += _copies(exam, images, thresholds)
    flagged: list[str] = scores.get("flagged") or []
    if len(flagged) > MOST_FLAGGED * images:
        reasons.append(f"moderation: {len(flagged)} of {images} images refused: {flagged[0]}")
    return reasons


def _identity(
    name: str, value: float | None, scorer: str, thresholds: Mapping[str, float]
) -> list[str]:
    least = thresholds.get(scorer)
    if value is None or least is None:
        return [f"identity: the {name} is not measured by {scorer}"]
    if not value >= least:  # written so that NaN does not pass
        return [f"identity: {name} {value:.3f} by {scorer}, at least {least:.3f}"]
    return []


def _copies(exam: WeightsExam, images: int, thresholds: ExamThresholds) -> list[str]:
    nearest: list[int] = (exam.scores or {}).get("nearest") or []
    if len(nearest) < images:
        return ["memorised: the distance to the training images is not measured"]
    copies = sum(distance <= thresholds.copy_bits for distance in nearest)
    if copies > MOST_COPIES * images:
        return [f"memorised: {copies} of {images} images are copies of training images"]
    return []


@dataclass(frozen=True, slots=True)
class Candidate:
    """An examined candidate; `step` is that of a checkpoint, None of the final weights."""

    exam: WeightsExam
    step: int | None


def choose(
    candidates: Sequence[Candidate], thresholds: ExamThresholds | None = None
) -> Candidate | None:
    """The candidate that content is to be made with; None when none is fit."""
    rule = thresholds or ExamThresholds()
    fit = [each for each in candidates if not unfit_reasons(each.exam, rule)]
    if not fit:
        return None
    best = max(identity_of(each.exam) for each in fit)
    level = [each for each in fit if identity_of(each.exam) >= best - CLOSE]
    return min(level, key=lambda each: (-(each.exam.diversity or 0.0), _place(each)))


def identity_of(exam: WeightsExam) -> float:
    """The mean of identity's mean and 10th percentile, by which candidates are compared."""
    return ((exam.identity_mean or 0.0) + (exam.identity_p10 or 0.0)) / 2


def _place(candidate: Candidate) -> float:
    return math.inf if candidate.step is None else candidate.step
