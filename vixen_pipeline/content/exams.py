"""Stage `weights_exams`: new weights are examined before any content is made with them.

Belongs here: which weights need an exam, its beginning and its end. Does not: the rule
(exam_rule.py), rendering (exam_render.py), rows (exam_rows.py), what is told (exam_report.py).

Weights that have a fit chosen candidate are not examined again: a changed setting (number of
images, scorer) makes the next exam different, and never silently pays for another one. An exam
that no candidate passes fails for good and says so in `lora_trainings`, too: only a person pays
for another training. Killed anywhere, the next run goes on from the images that exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from vixen_pipeline.content.exam_prompts import exam_prompts
from vixen_pipeline.content.exam_render import STAGE, Paper, papers_of, render_papers
from vixen_pipeline.content.exam_report import (
    exam_checks,
    exam_metadata,
    failure_line,
    retrain_step,
)
from vixen_pipeline.content.exam_rows import (
    Subject,
    candidates_in,
    candidates_of,
    chosen_exams,
    mark_chosen,
    open_exams,
    save_figures,
    subjects,
)
from vixen_pipeline.content.exam_rule import (
    Candidate,
    ExamThresholds,
    choose,
    enough,
    figures,
    unfit_reasons,
)
from vixen_pipeline.content.frame import run_content_stage
from vixen_pipeline.db.base import Json
from vixen_pipeline.errors import NotImage, Permanent, PolicyRefused, ProviderError, StageFailed
from vixen_pipeline.identity.attempts import clear_failure, record_failure
from vixen_pipeline.identity.stage_run import StageRun
from vixen_pipeline.identity.training_settle import STAGE as TRAININGS
from vixen_pipeline.pictures.files import open_picture
from vixen_pipeline.pictures.measuring import Anchor
from vixen_pipeline.pictures.scorers import IdentityScorer, build_scorer
from vixen_pipeline.safety.moderation import moderate_texts
from vixen_pipeline.safety.policy import Door, require_text
from vixen_pipeline.stages import Progress, StageResult

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


def run_weights_exams(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    """A chosen candidate for the newest weights of each avatar; see `RunStage`."""
    return run_content_stage(services, STAGE, keys, lambda run: _Exams(run, progress).run())


@dataclass
class _Exams:
    """One run of the stage."""

    frame: StageRun
    progress: Progress
    thresholds: ExamThresholds = field(default_factory=ExamThresholds)

    @property
    def services(self) -> Services:
        return self.frame.services

    def run(self) -> None:
        frame = self.frame
        with self.services.database.begin() as session:
            found = subjects(session, frame.avatars)
            chosen = chosen_exams(session, [each.weights.id for each in found.values()])
        fit = {
            exam.avatar_id: exam
            for exam in chosen.values()
            if not unfit_reasons(exam, self.thresholds)
        }
        for avatar in frame.avatars:
            if avatar.id not in found:
                frame.block(avatar, "lora_weights")
            elif avatar.id in fit:
                subject = found[avatar.id]
                candidates = candidates_of(self.services, subject, fit[avatar.id].exam_digest)
                self._pass(subject, candidates, made=False)
        missing = frame.refuse_failed(frame.still_open(frame.avatars))
        allowed = self._refuse_prompts([found[avatar.id] for avatar in missing])
        if allowed:
            self._examine(allowed)

    def _refuse_prompts(self, wanted: Sequence[Subject]) -> list[Subject]:
        """One prompt for each avatar, all in one question: the words of scenes are ours and the
        same for all (a test holds them to the policy), what an avatar adds is in each prompt.

        A moderator that cannot tell passes nothing.
        """
        prompts = {each.avatar.id: _telling_prompt(each) for each in wanted}
        for subject in wanted:
            try:
                require_text(prompts[subject.avatar.id], Door.PROMPT)
            except PolicyRefused as error:
                self.frame.fail(subject.avatar, error)
        open_ = [each for each in wanted if each.avatar.key not in self.frame.results]
        texts = [prompts[each.avatar.id] for each in open_]
        try:
            with self.services.slots.hold("text"):
                verdicts = moderate_texts(self.services.moderator, texts)
        except ProviderError as error:
            self.frame.fail_all([each.avatar for each in open_], error)
            return []
        for subject, reason in zip(open_, verdicts, strict=True):
            if reason is not None:
                text = f"the exam's prompt is refused by moderation: {reason}."
                self.frame.fail(subject.avatar, PolicyRefused("moderation", text))
        return [each for each in open_ if each.avatar.key not in self.frame.results]

    def _examine(self, wanted: Sequence[Subject]) -> None:
        services = self.services
        scorer, images = build_scorer(services.settings), services.settings.exam_images
        anchors = self._anchors(scorer, wanted)
        wanted = [subject for subject in wanted if subject.avatar.id in anchors]
        papers: list[Paper] = []
        for subject in wanted:
            candidates = open_exams(services, subject, scorer.name, images)
            papers += papers_of(subject, [c for c in candidates if not c.exam.completed_at], images)
        stopped = render_papers(services, papers, anchors, self.progress)
        for subject in wanted:
            avatar = subject.avatar
            if avatar.id in stopped:
                self.frame.fail(avatar, stopped[avatar.id])
                continue
            mine = [paper for paper in papers if paper.subject.avatar.id == avatar.id]
            self._end(subject, mine, subject.exam_digest(scorer.name, images))

    def _anchors(self, scorer: IdentityScorer, wanted: Sequence[Subject]) -> dict[int, Anchor]:
        """Whom the images must show; who has no portrait to compare with fails, unpaid."""
        anchors: dict[int, Anchor] = {}
        for subject in wanted:
            why = f"it cannot be described by {scorer.name}"
            try:
                data = self.services.objects.get(subject.portrait.object_key or "")
                described = scorer.describe(open_picture(data))
            except (NotImage, Permanent) as error:
                described, why = None, error.message
            if described is not None:
                anchors[subject.avatar.id] = Anchor(scorer, described)
                continue
            failure = StageFailed(
                STAGE,
                f"there is no reference portrait to compare with: {why}",
                next_step="Look at the portrait, or choose another VIXEN_IDENTITY_SCORER; then "
                + self.frame.by_hand(subject.avatar),
            )
            self.frame.fail(subject.avatar, failure)
        return anchors

    def _end(self, subject: Subject, papers: Sequence[Paper], exam_digest: str) -> None:
        """Figures, choice and what follows from it are committed together."""
        candidates = self._settle(subject, papers, exam_digest)
        if any(each.exam.chosen for each in candidates):
            self._pass(subject, candidates, made=True)
            return
        incomplete = [each for each in candidates if each.exam.completed_at is None]
        message = failure_line(candidates, self.thresholds)
        next_step = retrain_step(subject.avatar.key)
        if incomplete:
            reasons = dict.fromkeys(reason for paper in papers for reason in paper.reasons())
            message = f"exam images could not be made: {'; '.join(list(reasons)[:3])}"
            next_step = self.frame.by_hand(subject.avatar)
        self.frame.fail(
            subject.avatar,
            StageFailed(STAGE, message, next_step=next_step),
            checks=exam_checks(candidates, self.thresholds),
            metadata=exam_metadata(self.frame, subject, candidates),
        )

    def _settle(
        self, subject: Subject, papers: Sequence[Paper], exam_digest: str
    ) -> list[Candidate]:
        now = self.services.clock.now()
        with self.services.database.begin() as session:
            for paper in papers:
                images, asked = paper.images(), len(paper.prompts)
                values: Json = figures(images, asked, subject.training)
                if enough(len(images), asked):
                    values["completed_at"] = now
                save_figures(session, paper.candidate.exam.id, values)
            candidates = candidates_in(session, subject, exam_digest)
            completed = [each for each in candidates if each.exam.completed_at is not None]
            best = choose(completed, self.thresholds)
            mark_chosen(session, subject.weights.id, best.exam.id if best else None)
            if best is not None:
                clear_failure(session, subject.avatar.id, TRAININGS)
            elif len(completed) == len(candidates):
                self._offer_training(session, subject, candidates)
            return candidates_in(session, subject, exam_digest)

    def _offer_training(
        self, session: Session, subject: Subject, candidates: Sequence[Candidate]
    ) -> None:
        """A failure in `lora_trainings`: that a person forgets it is what pays for another."""
        record_failure(
            session,
            subject.avatar.id,
            TRAININGS,
            failure_line(candidates, self.thresholds),
            retrain_step(subject.avatar.key),
            True,
            self.services.clock,
        )

    def _pass(self, subject: Subject, candidates: Sequence[Candidate], *, made: bool) -> None:
        self.frame.complete(
            subject.avatar,
            "made" if made else "unchanged",
            exam_metadata(self.frame, subject, candidates),
            exam_checks(candidates, self.thresholds),
        )


def _telling_prompt(subject: Subject) -> str:
    return exam_prompts(subject.avatar.spec, subject.weights.trigger_word or "", 1)[0]
