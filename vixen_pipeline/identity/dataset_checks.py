"""What a dataset is worth, read from its images now. Belongs here: the four checks, the figures.

Does not: storing verdicts: thresholds are applied here, when they are read. All four checks are
blocking: a LoRA trained on a bad dataset costs money and is of no use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from vixen_pipeline.db.models import GeneratedImage
from vixen_pipeline.identity.image_rows import candidate_of
from vixen_pipeline.identity.image_selection import Candidate, nearest_pair
from vixen_pipeline.identity.plan import Shot, coverage, coverage_gaps
from vixen_pipeline.pictures.quality import Thresholds, reason_kinds
from vixen_pipeline.stages import Check, Meta


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """All images of one collection, judged by the thresholds in force. `wanted` is the plan's N."""

    rows: Sequence[GeneratedImage]
    thresholds: Thresholds
    scorer: str
    wanted: int

    @property
    def accepted(self) -> list[GeneratedImage]:
        return [row for row in self.rows if row.selected]

    @property
    def shots(self) -> list[Shot]:
        return [Shot(**row.shot) for row in self.accepted]

    def judged(self, rows: Sequence[GeneratedImage]) -> list[Candidate]:
        return [candidate_of(row, self.thresholds, self.scorer) for row in rows]

    def rejected(self) -> Counter[str]:
        """How many images were not taken, by kind of reason (`duplicate` for what passes alone)."""
        counted: Counter[str] = Counter()
        for candidate in self.judged([row for row in self.rows if not row.selected]):
            counted.update(reason_kinds(candidate.reasons) or Counter(["duplicate or spare"]))
        return counted

    def checks(self) -> tuple[Check, ...]:
        return (self._coverage(), self._duplicates(), self._identity(), self._completeness())

    def _coverage(self) -> Check:
        gaps = coverage_gaps(self.shots, self.wanted)
        text = "; ".join(gaps[:8]) if gaps else "Every value appears as often as the plan promises."
        return Check("dataset_coverage", not gaps, text, metadata={"gaps": Meta("int", len(gaps))})

    def _duplicates(self) -> Check:
        least = nearest_pair(self.judged(self.accepted))
        if any(row.phash is None for row in self.accepted):
            return Check("dataset_duplicates", None, "Not every image has a perceptual hash.")
        limit = self.thresholds.duplicate_bits
        nearest = (
            "no pair to compare" if least is None else f"the nearest pair is {least} bits apart"
        )
        return Check(
            "dataset_duplicates",
            least is None or least > limit,
            f"{nearest.capitalize()}; more than {limit} are needed.",
        )

    def _identity(self) -> Check:
        measured = self._scores()
        missing = len(self.accepted) - len(measured)
        if missing or not measured:
            return Check(
                "dataset_identity", None, f"{missing} images not measured by {self.scorer}."
            )
        least = self.thresholds.identity.get(self.scorer, float("inf"))
        return Check(
            "dataset_identity",
            min(measured) >= least,
            f"Similarity to the reference by {self.scorer}: least {min(measured):.3f}, mean "
            f"{fmean(measured):.3f}; at least {least:.3f} is needed.",
        )

    def _scores(self) -> list[float]:
        """The accepted images' similarities by the scorer in force; scorers do not compare."""
        return [
            row.identity_score
            for row in self.accepted
            if row.identity_scorer == self.scorer and row.identity_score is not None
        ]

    def _completeness(self) -> Check:
        refused = [each for each in self.judged(self.accepted) if each.reasons]
        text = f"{len(self.accepted)} of {self.wanted} images accepted"
        if refused:
            text += f", {len(refused)} of them below today's thresholds: {refused[0].reasons[0]}"
        complete = len(self.accepted) == self.wanted and not refused
        return Check("dataset_completeness", complete, f"{text}.")

    def figures(self) -> dict[str, Meta]:
        """The metadata that every materialization of a dataset carries, besides its archive.

        What no accepted image has a measurement of is None: not measured is not zero.
        """
        scores = self._scores()
        sharp = [row.sharpness for row in self.accepted if row.sharpness is not None]
        counts = {name: dict(values) for name, values in coverage(self.shots).items()}
        return {
            "images_accepted": Meta("int", len(self.accepted)),
            "images_made": Meta("int", len(self.rows)),
            "images_rejected": Meta("int", len(self.rows) - len(self.accepted)),
            "rejected_by_reason": Meta("json", dict(self.rejected())),
            "coverage": Meta("json", counts),
            "identity_scorer": Meta("text", self.scorer),
            "identity_least": Meta("float", min(scores, default=None)),
            "identity_mean": Meta("float", fmean(scores) if scores else None),
            "sharpness_least": Meta("float", min(sharp, default=None)),
        }
