"""The stage `content_plans`: every plan that was asked for, with all its shots.

Belongs here: which plans are missing, and many avatars at once. Does not: asking (plan_request.py),
making one (plan_making.py), what is said about one (plan_report.py). An avatar that never had a
plan gets the default one. A plan is there with all its shots, in one transaction, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vixen_pipeline.content.chosen_weights import select_chosen
from vixen_pipeline.content.frame import run_content_stage
from vixen_pipeline.content.library import load_library
from vixen_pipeline.content.plan_making import PlanMaker
from vixen_pipeline.content.plan_report import plan_checks, plan_metadata
from vixen_pipeline.content.plan_request import (
    STAGE,
    ask_for_first_plans,
    ask_for_plan,
    withdraw_plan,
)
from vixen_pipeline.content.plan_rows import plan_facts, plans_to_make, save_plan
from vixen_pipeline.content.templates import Library
from vixen_pipeline.db.models import ContentPlan
from vixen_pipeline.errors import InvalidInput, StageFailed, Unavailable, VixenError
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.spec_consents import consents_on_record
from vixen_pipeline.identity.stage_run import StageRun
from vixen_pipeline.stages import Progress, StageProgress, StageResult

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

__all__ = ["ask_for_plan", "run_content_plans", "withdraw_plan"]


def run_content_plans(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    """Plan everything that was asked for; one result per key. See `RunStage`."""
    return run_content_stage(services, STAGE, keys, lambda run: _Stage(run, progress).run())


@dataclass
class _Stage:
    """The body of one run."""

    frame: StageRun
    progress: Progress

    @property
    def services(self) -> Services:
        return self.frame.services

    def run(self) -> None:
        frame = self.frame
        frame.require_persona(frame.avatars)
        self._require_weights(frame.still_open(frame.avatars))
        avatars = frame.refuse_failed(frame.still_open(frame.avatars))
        if not avatars:
            return
        with self.services.database.begin() as session:
            ask_for_first_plans(session, self.services.settings, avatars)
        with self.services.database.begin() as session:
            missing = plans_to_make(session, [avatar.id for avatar in avatars])
            people = consents_on_record(session)
        if missing:
            self._make([each for each in avatars if each.id in missing], missing, people)
        self._report(frame.still_open(avatars), frozenset(missing))

    def _require_weights(self, avatars: Sequence[AvatarRef]) -> None:
        with self.services.database.begin() as session:
            ready = select_chosen(session, avatars)
        for avatar in avatars:
            if avatar.id not in ready:
                self.frame.block(avatar, "weights_exams")

    def _make(
        self,
        avatars: Sequence[AvatarRef],
        missing: Mapping[int, Sequence[ContentPlan]],
        people: Mapping[str, str],
    ) -> None:
        """The plans of all avatars beside each other; a failure stays with its avatar."""
        try:
            library = load_library(self.services.settings.home)
        except InvalidInput as error:
            self.frame.fail_all(avatars, _unusable(error))
            return
        workers = max(1, min(len(avatars), self.services.settings.text_concurrency))
        with ThreadPoolExecutor(workers, thread_name_prefix="plan") as pool:
            futures: dict[Future[None], AvatarRef] = {
                pool.submit(self._make_all_of, avatar, missing[avatar.id], library, people): avatar
                for avatar in avatars
            }
            try:
                for future in as_completed(futures):
                    try:
                        future.result()
                    except Unavailable:
                        raise
                    except VixenError as error:
                        self.frame.fail(futures[future], error)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _make_all_of(
        self,
        avatar: AvatarRef,
        plans: Sequence[ContentPlan],
        library: Library,
        people: Mapping[str, str],
    ) -> None:
        likeness = avatar.spec.likeness
        person = people.get(likeness.consent) if likeness is not None else None
        for plan in plans:

            def accepted(count: int, total: int = plan.count) -> None:
                self.progress(StageProgress(STAGE, avatar.key, count, total))

            made = PlanMaker(
                self.services,
                avatar,
                plan,
                library,
                allowed_people=[person] if person is not None else [],
                on_accepted=accepted,
            ).made()
            with self.services.database.begin() as session:
                save_plan(
                    session,
                    plan,
                    made.shots,
                    library_digest=library.digest,
                    coverage=made.coverage,
                    now=self.services.clock.now(),
                )

    def _report(self, avatars: Sequence[AvatarRef], made: frozenset[int]) -> None:
        with self.services.database.begin() as session:
            facts = plan_facts(session, [avatar.id for avatar in avatars])
        for avatar in avatars:
            found = facts.get(avatar.id)
            if found is None:
                # Its plan was withdrawn while it was being made; the next run asks for another.
                self.frame.wait(avatar, "a plan that is asked for", self.services.clock.now())
                continue
            self.frame.complete(
                avatar,
                "made" if avatar.id in made else "unchanged",
                plan_metadata(found, self.frame.stage_cost(avatar)),
                plan_checks(found),
            )


def _unusable(error: InvalidInput) -> StageFailed:
    """A mistake in a template file is mended by a person, and no avatar's: it is tried again."""
    first, more = error.problems[0], len(error.problems) - 1
    also = f" (and {more} more)" if more else ""
    return StageFailed(
        STAGE,
        f"the template files cannot be used: {first}{also}",
        reasons=error.problems,
        permanent=False,
        next_step="`vixen content templates` names every mistake.",
    )
