"""Stage `content_images`: one accepted image for each shot of each open plan.

Belongs here: which avatars have shots to fill, and what the stage says about each. Does not:
rendering (render.py and below), choosing (image_choice.py), state of one avatar (image_shots.py).
All missing images of all avatars are made in one pool. What is not good enough is made again with
another seed, up to the tries of a shot; an image that a person refused counts as missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vixen_pipeline.content.chosen_weights import ChosenWeights, select_chosen
from vixen_pipeline.content.frame import run_content_stage
from vixen_pipeline.content.image_anchors import load_anchors
from vixen_pipeline.content.image_choice import nearest_twins
from vixen_pipeline.content.image_facts import ImagesFacts
from vixen_pipeline.content.image_rows import (
    PlanImages,
    baselines,
    last_completed,
    load_images,
    open_plans,
)
from vixen_pipeline.content.image_sheets import ContactSheets
from vixen_pipeline.content.image_shots import STAGE, ShotsFilling
from vixen_pipeline.content.render import Renderer
from vixen_pipeline.content.render_images import lacks_measurement
from vixen_pipeline.content.render_orders import RenderOrder
from vixen_pipeline.content.render_rows import OpenCall, open_calls
from vixen_pipeline.db.models import ContentPlan, RenderedImage
from vixen_pipeline.errors import Permanent, StageFailed, VixenError
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.stage_run import StageRun
from vixen_pipeline.pictures.contact_sheet import markdown_image
from vixen_pipeline.pictures.measuring import Anchor
from vixen_pipeline.pictures.quality import Thresholds
from vixen_pipeline.pictures.scorers import IdentityScorer, build_scorer
from vixen_pipeline.stages import Meta, Progress, StageProgress, StageResult

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


def run_content_images(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    """The images of every open plan of each avatar; see `RunStage`."""
    return run_content_stage(services, STAGE, keys, lambda run: _Stage(run, progress).run())


@dataclass
class _Stage:
    """The body of one run."""

    frame: StageRun
    progress: Progress
    scorer: IdentityScorer = field(init=False)
    sheets: ContactSheets = field(init=False)

    def __post_init__(self) -> None:
        self.scorer = build_scorer(self.services.settings)
        self.sheets = ContactSheets(self.services)

    @property
    def services(self) -> Services:
        return self.frame.services

    def run(self) -> None:
        frame = self.frame
        plans = self._plans()
        images = load_images(self.services, plans)
        name = self.scorer.name
        unfilled = [
            avatar
            for avatar in frame.still_open(frame.avatars)
            if _has_work(images[avatar.id], name)
        ]
        to_fill = frame.refuse_failed(unfilled)
        if to_fill:
            self._fill(to_fill, images)
            images |= load_images(
                self.services, [plan for each in to_fill for plan in images[each.id].plans]
            )
        worked = {avatar.id for avatar in to_fill}
        self._complete(frame.still_open(frame.avatars), images, worked)

    # ---- what there is to do --------------------------------------------------------------------

    def _plans(self) -> list[ContentPlan]:
        """The open plans that are planned, or the last completed one; others are blocked."""
        ids = [avatar.id for avatar in self.frame.avatars]
        with self.services.database.begin() as session:
            opened = open_plans(session, ids)
            ready = [plan for plan in opened if plan.planned_at is not None]
            waiting = {plan.avatar_id for plan in opened} - {plan.avatar_id for plan in ready}
            rest = set(ids) - {plan.avatar_id for plan in opened}
            done = last_completed(session, rest)
        known = {plan.avatar_id for plan in (*ready, *done)}
        for avatar in self.frame.avatars:
            if avatar.id in waiting or avatar.id not in known:
                self.frame.block(avatar, "content_plans")
        return [*ready, *done]

    def _fill(self, avatars: Sequence[AvatarRef], images: dict[int, PlanImages]) -> None:
        with self.services.database.begin() as session:
            weights = select_chosen(session, avatars)
        for avatar in avatars:
            if avatar.id not in weights:
                self.frame.block(avatar, "weights_exams")
        able = self.frame.still_open(avatars)
        anchors = load_anchors(self.services, able, self.scorer)
        fillings: dict[int, ShotsFilling] = {}
        for avatar in able:
            filling = self._filling(avatar, weights[avatar.id], images[avatar.id])
            error = _refusal(filling, anchors.get(avatar.id))
            if error is not None:
                self.frame.fail(avatar, error)
            else:
                fillings[avatar.id] = filling
        errors = self._render(fillings, anchors)
        for avatar_id, filling in fillings.items():
            if not filling.complete:
                self._report(filling, errors.get(avatar_id) or filling.used_up())

    def _filling(self, avatar: AvatarRef, weights: ChosenWeights, plan: PlanImages) -> ShotsFilling:
        return ShotsFilling(self.services, avatar, weights, plan, self.scorer.name)

    # ---- rendering ------------------------------------------------------------------------------

    def _render(
        self, fillings: dict[int, ShotsFilling], anchors: dict[int, Anchor]
    ) -> dict[int, VixenError]:
        """Fill all shots; what stopped which avatar, by id."""

        def on_images(rows: Sequence[RenderedImage]) -> list[RenderOrder]:
            if not rows:
                return []
            filling = fillings[rows[0].avatar_id]
            more = filling.take(rows)
            self._show(filling)
            return more

        renderer = Renderer(self.services, anchors, on_images, self.sheets.watch)
        avatars = [filling.avatar for filling in fillings.values()]
        used = {(shot, each.weights.sha256) for each in fillings.values() for shot in each.shots}
        resumed = open_calls(
            self.services,
            avatars,
            "shot",
            lambda row: (row.shot_id, row.weights_sha256) in used,
        )
        unmeasured = [
            (filling.avatar, row)
            for filling in fillings.values()
            for row in filling.plan.rows
            if lacks_measurement(row, self.scorer.name)
        ]
        busy = _busy_shots(resumed, [row for _, row in unmeasured])
        orders = [order for filling in fillings.values() for order in filling.first_orders(busy)]
        renderer.run(orders, resumed, unmeasured)
        return renderer.errors

    def _show(self, filling: ShotsFilling) -> None:
        done, total = len(filling.filled), len(filling.shots)
        self.progress(StageProgress(STAGE, filling.avatar.key, done, total))

    # ---- telling --------------------------------------------------------------------------------

    def _report(self, filling: ShotsFilling, error: VixenError) -> None:
        """A failure, with the figures where the images themselves are the reason."""
        if not isinstance(error, StageFailed):
            self.frame.fail(filling.avatar, error)
            return
        images = load_images(self.services, filling.plan.plans)
        [facts] = self._facts([filling.avatar], images).values()
        self.frame.fail(filling.avatar, error, checks=facts.checks(), metadata=facts.figures())

    def _complete(
        self, avatars: Sequence[AvatarRef], images: dict[int, PlanImages], worked: set[int]
    ) -> None:
        facts = self._facts(avatars, images)
        for avatar in avatars:
            mine = facts[avatar.id]
            try:
                sheet = self.sheets.sheet(avatar, mine.accepted)
            except Permanent as error:  # an image of it is lost: that is this avatar's alone
                self.frame.fail(avatar, error, checks=mine.checks())
                continue
            shown = markdown_image(sheet, avatar.key) if sheet is not None else "no image"
            metadata = {
                "contact_sheet": Meta("markdown", shown),
                **mine.figures(),
                "usd": Meta("usd", self.frame.stage_cost(avatar)),
            }
            outcome = "made" if avatar.id in worked else "unchanged"
            self.frame.complete(avatar, outcome, metadata, mine.checks())

    def _facts(
        self, avatars: Sequence[AvatarRef], images: dict[int, PlanImages]
    ) -> dict[int, ImagesFacts]:
        """The facts of each avatar's plans, with what only the database can tell."""
        mine = {avatar.id: images[avatar.id] for avatar in avatars}
        first = {id_: min(plan.number for plan in each.plans) for id_, each in mine.items()}
        thresholds = Thresholds()
        selected = [row for each in mine.values() for row in each.rows if row.selected]
        with self.services.database.begin() as session:
            compared = baselines(session, first, self.scorer.name)
            twins = nearest_twins(session, selected, thresholds.duplicate_bits)
        return {
            id_: ImagesFacts(
                plan,
                self.scorer.name,
                compared.get(id_),
                {row.id: twins[row.id] for row in plan.rows if row.id in twins},
                thresholds,
            )
            for id_, plan in mine.items()
        }


def _has_work(plan: PlanImages, scorer: str) -> bool:
    """Whether a shot of an open plan has no image, or one that `scorer` has not measured."""
    if all(each.completed_at is not None for each in plan.plans):
        return False
    filled = {
        row.shot_id for row in plan.rows if row.selected and not lacks_measurement(row, scorer)
    }
    return any(shot.id not in filled for shot in plan.shots)


def _busy_shots(resumed: Sequence[OpenCall], unmeasured: Sequence[RenderedImage]) -> frozenset[int]:
    """Shots with an image under way, or one whose measurements come first."""
    rows = [*(row for call in resumed for row in call.rows), *unmeasured]
    return frozenset(row.shot_id for row in rows if row.shot_id is not None)


def _refusal(filling: ShotsFilling, anchor: Anchor | None) -> VixenError | None:
    """Why nothing may be paid for, before anything is."""
    if anchor is None or anchor.reference is None:
        return StageFailed(
            STAGE,
            f"the reference portrait cannot be described by {filling.scorer}, so that no image "
            "could be compared with it.",
            next_step="Look at the reference portrait, or choose another VIXEN_IDENTITY_SCORER.",
        )
    unmoderated = filling.unmoderated()
    if unmoderated:
        numbers = ", ".join(str(plan.number) for plan in filling.plan.plans)
        return StageFailed(
            STAGE,
            f"the prompts of {len(unmoderated)} shots did not pass moderation "
            f"({', '.join(unmoderated[:3])}): nothing is made of them.",
            next_step=f"`vixen content plan {filling.avatar.key} --end NUMBER` closes plan "
            f"{numbers} with what it has; then ask for another one.",
        )
    return None
