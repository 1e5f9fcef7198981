"""What an exam says about itself. Belongs here: metadata, checks, sentences for people.

Does not: examining (exams.py). Verdicts are computed here, when they are read, from kept figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vixen_pipeline.content.exam_rows import Subject, exam_images
from vixen_pipeline.content.exam_rule import (
    Candidate,
    ExamThresholds,
    identity_of,
    scoreable,
    unfit_reasons,
)
from vixen_pipeline.identity.training_settle import another_attempt
from vixen_pipeline.pictures.contact_sheet import contact_sheet, markdown_image
from vixen_pipeline.stages import Check, Meta

if TYPE_CHECKING:
    from vixen_pipeline.identity.stage_run import StageRun
    from vixen_pipeline.services import Services

PREVIEW_SIDE = 144


def name_of(candidate: Candidate) -> str:
    """The candidate as people call it."""
    return "the final weights" if candidate.step is None else f"checkpoint {candidate.step}"


def shown_candidate(candidates: Sequence[Candidate]) -> Candidate:
    """The chosen one; of a failed exam, the one that came closest."""
    chosen = [each for each in candidates if each.exam.chosen]
    return chosen[0] if chosen else max(candidates, key=lambda each: identity_of(each.exam))


def exam_metadata(
    run: StageRun, subject: Subject, candidates: Sequence[Candidate]
) -> dict[str, Meta]:
    """The stage's metadata; figures are those of the chosen candidate (or of the closest)."""
    shown = shown_candidate(candidates)
    exam = shown.exam
    return {
        "preview": Meta("markdown", _preview(run.services, subject, shown)),
        "sha256": Meta("text", exam.sha256),
        "checkpoint_step": Meta("text", "final" if shown.step is None else str(shown.step)),
        "candidates": Meta("table", [_row(each) for each in candidates]),
        "images": Meta("int", exam.images or 0),
        "identity_scorer": Meta("text", exam.scorer),
        "identity_mean": Meta("float", exam.identity_mean),
        "identity_p10": Meta("float", exam.identity_p10),
        "diversity": Meta("float", exam.diversity),
        "nearest_training": Meta("int", exam.nearest_training),
        "usd": Meta("usd", run.stage_cost(subject.avatar)),
    }


def exam_checks(candidates: Sequence[Candidate], thresholds: ExamThresholds) -> tuple[Check, ...]:
    """`weights_fit_for_use` blocks; one near-copy of a training image is worth a warning."""
    shown = shown_candidate(candidates)
    reasons = unfit_reasons(shown.exam, thresholds)
    measured = shown.exam.completed_at is not None and shown.exam.identity_mean is not None
    if not measured:
        fit = Check("weights_fit_for_use", None, f"Not measured: {'; '.join(reasons)}.")
    else:
        text = "; ".join(reasons) if reasons else "passed: " + figures_line(shown)
        sentence = f"{name_of(shown).capitalize()} of {len(candidates)} candidates: {text}."
        fit = Check("weights_fit_for_use", not reasons, sentence)
    return (fit, _memorised(shown, thresholds))


def _memorised(shown: Candidate, thresholds: ExamThresholds) -> Check:
    nearest = shown.exam.nearest_training
    passed = None if nearest is None else nearest > thresholds.copy_bits
    text = (
        "The distance to the training images is not measured."
        if nearest is None
        else f"The image nearest to a training image differs from it in {nearest} of 64 bits; "
        f"up to {thresholds.copy_bits} is a copy."
    )
    return Check("weights_not_memorised", passed, text, blocking=False)


def figures_line(candidate: Candidate) -> str:
    """The figures of a candidate in one line."""
    exam = candidate.exam
    return (
        f"identity {_shown(exam.identity_mean)} on average and {_shown(exam.identity_p10)} at the "
        f"10th percentile by {exam.scorer}, diversity {_shown(exam.diversity, 1)} bits, "
        f"{exam.images or 0} images"
    )


def failure_line(candidates: Sequence[Candidate], thresholds: ExamThresholds) -> str:
    """Why no candidate is fit: each by name with its first reason."""
    lines = [
        f"{name_of(each)}: {'; '.join(unfit_reasons(each.exam, thresholds))}" for each in candidates
    ]
    return f"no candidate passes the exam ({' | '.join(lines)})"


def retrain_step(avatar_key: str) -> str:
    """What a person does about weights that failed."""
    return f"{another_attempt(avatar_key)} Look at the training images first."


def _row(candidate: Candidate) -> dict[str, object]:
    exam = candidate.exam
    return {
        "candidate": "final" if candidate.step is None else f"checkpoint {candidate.step}",
        "chosen": exam.chosen,
        "images": exam.images or 0,
        "identity_mean": _shown(exam.identity_mean),
        "identity_p10": _shown(exam.identity_p10),
        "diversity": _shown(exam.diversity, 1),
        "nearest_training": _shown(exam.nearest_training, 0),
    }


def _shown(value: float | None, digits: int = 3) -> str:
    return "not measured" if value is None else f"{value:.{digits}f}"


def _preview(services: Services, subject: Subject, shown: Candidate) -> str:
    rows = [
        row for row in exam_images(services, [shown.exam.id]) if scoreable(row, shown.exam.scorer)
    ]
    keys = [row.object_key or "" for row in rows]
    if not keys:
        return "No image could be scored."
    reads = [lambda key=key: services.objects.get(key) for key in keys]
    return markdown_image(contact_sheet(reads, side=PREVIEW_SIDE), subject.avatar.key)
