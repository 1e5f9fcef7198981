"""What a plan's images are worth, read now. Belongs here: the five checks, the figures.

Does not: storing verdicts: thresholds are applied here, when they are read. Drift is the one check
that blocks nothing: each image has passed the reference portrait by itself, and a plan that is less
like the avatar than the one before is for a person to look at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from vixen_pipeline.content.image_choice import Twin, reasons_of
from vixen_pipeline.content.image_rows import Baseline, PlanImages
from vixen_pipeline.db.models import RenderedImage
from vixen_pipeline.pictures.contact_sheet import markdown_image
from vixen_pipeline.pictures.plots import histogram_png
from vixen_pipeline.pictures.quality import Thresholds, reason_kinds
from vixen_pipeline.stages import Check, Meta

DRIFT_LIMITS: dict[str, float] = {"appearance": 0.03, "dlib": 0.02}
"""By how much the mean similarity may fall from one plan to the next, by scorer."""


@dataclass(frozen=True, slots=True)
class ImagesFacts:
    """All images of the described plans. `twins` are of selected images, by id."""

    plan: PlanImages
    scorer: str
    baseline: Baseline | None
    twins: Mapping[int, Twin]
    thresholds: Thresholds

    @property
    def accepted(self) -> list[RenderedImage]:
        """The images that fill shots, in the order of the shots."""
        return [row for row in self.plan.rows if row.selected]

    @property
    def settled(self) -> list[RenderedImage]:
        return [row for row in self.plan.rows if row.settled_at is not None]

    @property
    def scores(self) -> list[float]:
        """The accepted images' similarities by the scorer in force; scorers do not compare."""
        return [
            row.identity_score
            for row in self.accepted
            if row.identity_scorer == self.scorer and row.identity_score is not None
        ]

    @property
    def drift(self) -> float | None:
        """The change of the mean similarity since the baseline; None is not measured."""
        scores = self.scores
        if self.baseline is None or not scores or len(scores) < len(self.accepted):
            return None
        return fmean(scores) - self.baseline.mean

    def rejected(self) -> Counter[str]:
        """How many images were not taken, by kind of reason."""
        counted: Counter[str] = Counter()
        for row in self.settled:
            if not row.selected:
                reasons = reasons_of(row, self.thresholds, self.scorer)
                counted.update(reason_kinds(reasons) or Counter(["spare"]))
        return counted

    def checks(self) -> tuple[Check, ...]:
        return (
            self._complete(),
            self._distinct(),
            self._identity(),
            self._moderated(),
            self._drift(),
        )

    def _complete(self) -> Check:
        wanted = len(self.plan.shots)
        refused = [
            reasons
            for row in self.accepted
            if (reasons := reasons_of(row, self.thresholds, self.scorer))
        ]
        text = f"{len(self.accepted)} of {wanted} shots have an accepted image"
        if refused:
            text += f", {len(refused)} of them below today's thresholds: {refused[0][0]}"
        passed = len(self.accepted) == wanted > 0 and not refused
        return Check("images_complete", passed, f"{text}.")

    def _distinct(self) -> Check:
        unhashed = sum(row.phash is None for row in self.accepted)
        if unhashed or not self.accepted:
            text = f"{unhashed} images have no perceptual hash." if unhashed else "No image yet."
            return Check("images_distinct", None, text)
        limit = self.thresholds.duplicate_bits
        if not self.twins:
            text = f"No two of the avatar's images, now or before, are within {limit} bits."
            return Check("images_distinct", True, text)
        id_, twin = next(iter(self.twins.items()))
        text = (
            f"{len(self.twins)} images look like another of the avatar's: image {id_} is "
            f"{twin.bits} bits from image {twin.id}, more than {limit} are needed."
        )
        return Check("images_distinct", False, text)

    def _identity(self) -> Check:
        scores = self.scores
        missing = len(self.accepted) - len(scores)
        if missing or not scores:
            text = f"{missing} images not measured by {self.scorer}."
            return Check("images_identity", None, text if missing else "No image yet.")
        least = self.thresholds.identity.get(self.scorer, float("inf"))
        return Check(
            "images_identity",
            min(scores) >= least,
            f"Similarity to the reference by {self.scorer}: least {min(scores):.3f}, mean "
            f"{fmean(scores):.3f}; at least {least:.3f} is needed.",
        )

    def _moderated(self) -> Check:
        reasons = [
            reason
            for row in self.accepted
            for reason in reasons_of(row, self.thresholds, self.scorer)
            if reason.startswith("moderation:")
        ]
        unseen = sum(reason == "moderation: not measured" for reason in reasons)
        if unseen or not self.accepted:
            text = f"{unseen} images were not moderated." if unseen else "No image yet."
            return Check("images_moderated", None, text)
        text = reasons[0] if reasons else "The moderator has seen every image and flags none."
        return Check("images_moderated", not reasons, text)

    def _drift(self) -> Check:
        drift, limit = self.drift, DRIFT_LIMITS.get(self.scorer)
        if drift is None or limit is None or self.baseline is None:
            text = "There is nothing to compare with yet."
            return Check("images_drift", None, text, blocking=False)
        text = (
            f"Mean similarity by {self.scorer} {self.baseline.mean + drift:.3f}, of "
            f"{self.baseline.of} {self.baseline.mean:.3f}; it may fall by {limit:g}."
        )
        return Check("images_drift", drift >= -limit, text, blocking=False)

    def figures(self) -> dict[str, Meta]:
        """The metadata besides sheet and cost. What was not measured is None, never zero."""
        scores = self.scores
        sharp = [row.sharpness for row in self.accepted if row.sharpness is not None]
        digests = sorted({row.weights_sha256 for row in self.accepted})
        limit = self.thresholds.identity.get(self.scorer)
        plot = histogram_png(scores, f"identity by {self.scorer}", limit)
        return {
            "images_accepted": Meta("int", len(self.accepted)),
            "images_made": Meta("int", len(self.settled)),
            "images_rejected": Meta("int", len(self.settled) - len(self.accepted)),
            "rejected_by_reason": Meta("json", dict(self.rejected())),
            "identity_scorer": Meta("text", self.scorer),
            "identity_mean": Meta("float", fmean(scores) if scores else None),
            "identity_least": Meta("float", min(scores, default=None)),
            "sharpness_least": Meta("float", min(sharp, default=None)),
            "drift": Meta("float", self.drift),
            "scores_plot": Meta("markdown", markdown_image(plot, "identity")),
            "weights_sha256": Meta("text", ", ".join(digests)),
        }
