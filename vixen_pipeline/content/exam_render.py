"""The images of exams. Belongs here: what is still to be rendered, round by round.

Does not: the renderer (render.py), judging (exam_rule.py). An image that cannot be scored is made
again with another seed, at most `content_tries_per_shot` times in one run; what a former run made
stays. Image number `n` of N at its try `t` (from 0) is attempt `t * N + n + 1` of the exam.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vixen_pipeline.content.chosen_weights import ChosenWeights
from vixen_pipeline.content.exam_prompts import EXAM_NEGATIVE_PROMPT, exam_prompts, exam_seed
from vixen_pipeline.content.exam_rows import Subject, exam_images
from vixen_pipeline.content.exam_rule import Candidate, scoreable
from vixen_pipeline.content.render import render
from vixen_pipeline.content.render_images import lacks_measurement
from vixen_pipeline.content.render_orders import RenderOrder
from vixen_pipeline.db.models import RenderedImage
from vixen_pipeline.errors import VixenError
from vixen_pipeline.pictures.measuring import Anchor
from vixen_pipeline.stages import Progress, StageProgress

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

STAGE = "weights_exams"


@dataclass
class Paper:
    """One candidate's exam on its way: the prompts, and every image asked for so far."""

    subject: Subject
    candidate: Candidate
    prompts: Sequence[str]
    rows: dict[int, RenderedImage] = field(default_factory=dict[int, RenderedImage])
    tries: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def scorer(self) -> str:
        return self.candidate.exam.scorer

    def take(self, row: RenderedImage) -> None:
        self.rows[row.attempt] = row

    def images(self) -> list[RenderedImage]:
        """The images that can be scored, at most one for each prompt, in the prompts' order."""
        found: list[RenderedImage] = []
        for number in range(len(self.prompts)):
            mine = (row for row in self._of(number) if scoreable(row, self.scorer))
            found += [row for row in [next(mine, None)] if row is not None]
        return found

    def reasons(self) -> list[str]:
        """Why images cannot be scored, once each."""
        rows = [row for row in self.rows.values() if not scoreable(row, self.scorer)]
        return list(dict.fromkeys(row.unusable or "a measurement is missing" for row in rows))

    def orders(self, most_tries: int) -> list[RenderOrder]:
        """What is to be rendered next: for each prompt without a scoreable image, one more."""
        orders: list[RenderOrder] = []
        for number in range(len(self.prompts)):
            rows = self._of(number)
            if any(scoreable(row, self.scorer) for row in rows):
                continue
            # One that is under way, or not wholly measured, is brought to its end, not made again.
            begun = [at for at, row in enumerate(rows) if self._unfinished(row)]
            done = self.tries.get(number, 0)
            if done < most_tries:
                self.tries[number] = done + 1
                orders.append(self._order(number, begun[0] if begun else len(rows)))
        return orders

    def _of(self, number: int) -> list[RenderedImage]:
        size = len(self.prompts)
        return [row for at, row in sorted(self.rows.items()) if (at - 1) % size == number]

    def _unfinished(self, row: RenderedImage) -> bool:
        return row.settled_at is None or lacks_measurement(row, self.scorer)

    def _order(self, number: int, tried: int) -> RenderOrder:
        exam, weights = self.candidate.exam, self.subject.weights
        return RenderOrder(
            avatar=self.subject.avatar,
            purpose_id=exam.id,
            purpose="exam",
            attempt=tried * len(self.prompts) + number + 1,
            prompt=self.prompts[number],
            negative_prompt=EXAM_NEGATIVE_PROMPT,
            seed=exam_seed(exam.exam_digest, number, tried),
            weights=ChosenWeights(
                weights_id=weights.id,
                exam_id=exam.id,
                object_key=exam.object_key,
                sha256=exam.sha256,
                embeddings_key=weights.embeddings_key,
                embeddings_sha256=weights.embeddings_sha256,
                trigger_word=weights.trigger_word or "",
            ),
        )


def papers_of(subject: Subject, candidates: Sequence[Candidate], images: int) -> list[Paper]:
    """One paper for each candidate; the trained tokens are those of the final weights."""
    prompts = exam_prompts(subject.avatar.spec, subject.weights.trigger_word or "", images)
    return [Paper(subject, candidate, prompts) for candidate in candidates]


def render_papers(
    services: Services,
    papers: Sequence[Paper],
    anchors: Mapping[int, Anchor],
    progress: Progress,
) -> dict[int, VixenError]:
    """Render until every prompt has an image that can be scored or its tries are spent.

    Returns what stopped which avatar, by id. Raises Unavailable.
    """
    by_exam = {paper.candidate.exam.id: paper for paper in papers}
    for row in exam_images(services, by_exam):
        by_exam[row.exam_id or 0].take(row)

    def on_image(row: RenderedImage) -> None:
        if row.exam_id not in by_exam:  # of an exam that has since been given up
            return
        paper = by_exam[row.exam_id]
        paper.take(row)
        avatar_id = paper.subject.avatar.id
        mine = [each for each in papers if each.subject.avatar.id == avatar_id]
        done = sum(len(each.images()) for each in mine)
        total = sum(len(each.prompts) for each in mine)
        progress(StageProgress(STAGE, paper.subject.avatar.key, done, total))

    stopped: dict[int, VixenError] = {}
    most = services.settings.content_tries_per_shot
    while orders := [
        order
        for paper in papers
        if paper.subject.avatar.id not in stopped
        for order in paper.orders(most)
    ]:
        stopped |= render(services, orders, anchors, on_image)
    return stopped
