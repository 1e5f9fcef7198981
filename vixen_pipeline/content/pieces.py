"""Stage `content_pieces`: every shot of an open plan becomes a signed still; formats are composed.

Belongs here: which plans can be worked on, closing them, one result per avatar. Does not: the gate
(piece_gate.py), threads (piece_pool.py), files (piece_making.py), composed formats (formats.py),
review (review.py). A plan is worked on once all its images and words are there; it is closed once
each shot has its piece and the formats are composed. Review goes on after that and changes states.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from vixen_pipeline.content import piece_rows as rows
from vixen_pipeline.content.formats import compose
from vixen_pipeline.content.frame import run_content_stage
from vixen_pipeline.content.piece_facts import PieceFacts, load_facts
from vixen_pipeline.content.piece_gate import Admitted, Refused, judge
from vixen_pipeline.content.piece_making import StillTask
from vixen_pipeline.content.piece_pool import StillPool
from vixen_pipeline.content.piece_rows import ShotState
from vixen_pipeline.content.piece_sheet import store_sheet
from vixen_pipeline.db.models import ContentPlan
from vixen_pipeline.errors import NotImage, Permanent, SettingsMissing, StageFailed
from vixen_pipeline.identity.portraits import current_portraits
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.stage_run import StageRun
from vixen_pipeline.pictures.files import open_picture
from vixen_pipeline.pictures.scorers_appearance import AppearanceScorer
from vixen_pipeline.safety.credentials import load_credentials
from vixen_pipeline.stages import Meta, Progress, StageResult

if TYPE_CHECKING:
    from PIL.Image import Image

    from vixen_pipeline.pictures.scorers import Descriptor
    from vixen_pipeline.services import Services

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

STAGE = "content_pieces"
PLANS, IMAGES, COPY = "content_plans", "content_images", "content_copy"


def run_content_pieces(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    """All pieces of each avatar's open plans; see `RunStage`."""
    return run_content_stage(services, STAGE, keys, lambda run: _Stage(run, progress).run())


@dataclass
class _Stage:
    """The body of one run: the plans that can be worked on by avatar, the shots by plan."""

    frame: StageRun
    progress: Progress
    plans: dict[int, list[ContentPlan]] = field(default_factory=dict[int, list[ContentPlan]])
    shots: dict[int, list[ShotState]] = field(default_factory=dict[int, list[ShotState]])
    composed: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def services(self) -> Services:
        return self.frame.services

    def run(self) -> None:
        self._load()
        frame = self.frame
        able = [avatar for avatar in frame.still_open(frame.avatars) if self.plans[avatar.id]]
        ready = frame.refuse_failed(able) if able else []
        if ready:
            self._work(ready)
        self._unchanged(frame.still_open(frame.avatars))

    def _load(self) -> None:
        """Read every open plan; who has none that can be worked on says what it waits for."""
        ids = [avatar.id for avatar in self.frame.avatars]
        with self.services.database.begin() as session:
            plans = rows.open_plans(session, ids)
            shots = rows.load_shots(session, [plan for plan in plans if plan.planned_at])
        for shot in shots:
            self.shots.setdefault(shot.plan.id, []).append(shot)
        by_avatar: dict[int, list[ContentPlan]] = defaultdict(list)
        for plan in plans:
            by_avatar[plan.avatar_id].append(plan)
        for avatar in self.frame.avatars:
            lacking = {plan.id: self._lacks(plan) for plan in by_avatar[avatar.id]}
            self.plans[avatar.id] = [p for p in by_avatar[avatar.id] if lacking[p.id] is None]
            missing = next((stage for stage in lacking.values() if stage), None)
            if missing and not self.plans[avatar.id]:
                self.frame.block(avatar, missing)

    def _lacks(self, plan: ContentPlan) -> str | None:
        """The earliest stage that has not done its part of the plan."""
        shots = self.shots.get(plan.id, [])
        if plan.planned_at is None or not shots:
            return PLANS
        if any(shot.image is None for shot in shots):
            return IMAGES
        return COPY if any(shot.lacks_copy for shot in shots if shot.piece_id is None) else None

    def _work(self, avatars: Sequence[AvatarRef]) -> None:
        frame, services = self.frame, self.services
        try:
            credentials = load_credentials(services.settings, services.clock.now())
        except SettingsMissing as error:
            why = f"{error.subject}: {'; '.join(error.problems)}"
            failure = StageFailed(STAGE, why, permanent=False, next_step=error.next_step)
            frame.fail_all(avatars, failure)
            return
        pool = StillPool(services, credentials, self.progress)
        pool.run(self._tasks(avatars))
        for avatar in frame.still_open(avatars):
            if avatar.id in pool.errors:
                frame.fail(avatar, pool.errors[avatar.id])
        self._compose(frame.still_open(avatars))
        for avatar in frame.still_open(avatars):
            try:
                self._close(avatar, pool.tiles)
            except Permanent as error:  # an image of its sheet is lost
                frame.fail(avatar, error)

    # ---- stills ---------------------------------------------------------------------------------

    def _tasks(self, avatars: Sequence[AvatarRef]) -> list[StillTask]:
        """What is to be made, past the gate; who has anything refused has its result already."""
        admitted = {avatar.id: self._admit(avatar) for avatar in avatars}
        every = [shot for pairs in admitted.values() for shot, _ in pairs]
        if not every:
            return []
        with self.services.database.begin() as session:
            costs = rows.shot_costs(session, [shot.id for shot in every])
            effects = {shot.image.effect_id for shot in every if shot.image}
            digests = rows.model_digests(session, list(effects))
        heads = _heads(self.services, [each for each in avatars if admitted[each.id]])
        return [
            StillTask(
                avatar,
                shot,
                shot.image,
                verdict,
                costs[shot.id],
                digests.get(shot.image.effect_id),
                heads.get(avatar.id),
            )
            for avatar in avatars
            for shot, verdict in admitted[avatar.id]
            if shot.image is not None
        ]

    def _admit(self, avatar: AvatarRef) -> list[tuple[ShotState, Admitted]]:
        """The shots without a piece that the gate admits; all or nothing of an avatar."""
        settings = self.services.settings
        wanted = [s for plan in self.plans[avatar.id] for s in self.shots[plan.id]]
        admitted: list[tuple[ShotState, Admitted]] = []
        refused: list[Refused] = []
        try:
            for shot in [shot for shot in wanted if shot.piece_id is None]:
                found = judge(shot, review=settings.content_review, scorer=settings.identity_scorer)
                if isinstance(found, Refused):
                    refused.append(found)
                else:
                    admitted.append((shot, found))
        except StageFailed as error:
            self.frame.fail(avatar, error)
            return []
        if not refused:
            return admitted
        with self.services.database.begin() as session:
            for each in refused:
                rows.take_back(session, each.part, each.id, each.reason)
        self.frame.block(avatar, IMAGES if any(r.part == "image" for r in refused) else COPY)
        return []

    # ---- plans ----------------------------------------------------------------------------------

    def _compose(self, avatars: Sequence[AvatarRef]) -> None:
        """Carousels and videos; a plan whose stills do not suffice fails its avatar."""
        of = {plan.id: avatar for avatar in avatars for plan in self.plans[avatar.id]}
        for composed in compose(self.services, list(of)) if of else ():
            avatar = of[composed.plan_id]
            self.composed[composed.plan_id] = sum(composed.total.values())
            if composed.error is not None and avatar.key not in self.frame.results:
                self.frame.fail(avatar, composed.error)

    def _close(self, avatar: AvatarRef, tiles: dict[int, Image]) -> None:
        """Close the avatar's plans, and say what they hold."""
        now = self.services.clock.now()
        closed: list[int] = []
        for plan in self.plans[avatar.id]:
            images = [shot.image for shot in self.shots[plan.id] if shot.image is not None]
            sheet_key = store_sheet(self.services, avatar, images, tiles)
            with self.services.database.begin() as session:
                composed = self.composed.get(plan.id, 0)
                if rows.complete_plan(session, plan.id, sheet_key, now, composed):
                    closed.append(plan.id)
        if len(closed) < len(self.plans[avatar.id]):
            self.frame.block(avatar, IMAGES)  # a review took an image out meanwhile
            return
        self._tell(avatar, "made", closed)

    def _unchanged(self, avatars: Sequence[AvatarRef]) -> None:
        if not avatars:
            return
        with self.services.database.begin() as session:
            newest = rows.last_completed(session, [avatar.id for avatar in avatars])
        for avatar in avatars:
            if avatar.id in newest:
                self._tell(avatar, "unchanged", [newest[avatar.id]])
            else:
                self.frame.block(avatar, PLANS)

    def _tell(self, avatar: AvatarRef, outcome: str, plan_ids: Sequence[int]) -> None:
        facts, metadata = describe(self.services, avatar, plan_ids)
        self.frame.complete(
            avatar, "made" if outcome == "made" else "unchanged", metadata, facts.checks()
        )


def describe(
    services: Services, avatar: AvatarRef, plan_ids: Sequence[int]
) -> tuple[PieceFacts, dict[str, Meta]]:
    """The facts of these plans of the avatar, and the metadata of a materialization."""
    with services.database.begin() as session:
        facts = load_facts(session, plan_ids, services.settings.identity_scorer)
    keys = [plan.contact_sheet_key for plan in facts.plans if plan.contact_sheet_key]
    sheet = services.objects.get(keys[-1]) if keys else None
    return facts, facts.figures(sheet, avatar.key)


def _heads(services: Services, avatars: Sequence[AvatarRef]) -> dict[int, Descriptor]:
    """The reference portraits, described: by them the head is found in each picture."""
    found: dict[int, Descriptor] = {}
    for avatar_id, portrait in current_portraits(services, avatars).items():
        try:
            picture = open_picture(services.objects.get(portrait.object_key or ""))
        except (NotImage, Permanent) as error:  # its own heads are then looked for where most are
            log.warning("pieces.portrait_unusable", avatar=avatar_id, error=error.message)
            continue
        described = AppearanceScorer().describe(picture)
        if described is not None:
            found[avatar_id] = described
    return found
