"""Carousels and slideshow videos, composed of a plan's stills and written as pieces of their own.

Belongs here: what is still to be composed, making it, one failure per plan. Does not: the choice
(format_choice.py), rows (format_rows.py), stills, closing plans (pieces.py).

Called when the stills of a plan are there. What a plan asks for and has is counted in rows, so a
repeated or killed call makes only what is missing. A rejected member takes the composed piece with
it, and the next call composes another one. A composed piece is approved by policy only when every
member is approved and the policy approves by itself; otherwise it waits for a person, as its
members do. Its tier is the narrowest of its members'. Its words are those of `lineage.copy_shot`.
It costs nothing beyond its members, unless a paid video provider made it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import select

from vixen_pipeline.content import format_rows as rows
from vixen_pipeline.content.format_choice import FORMATS, Choice, Format, choose
from vixen_pipeline.content.format_rows import Composite, OpenPlan
from vixen_pipeline.db.models import Avatar
from vixen_pipeline.errors import StageFailed, VixenError

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

STAGE = "content_pieces"


@dataclass(frozen=True, slots=True)
class Composed:
    """What came of one plan: pieces made now, pieces there in all, and why any is missing."""

    plan_id: int
    made: dict[str, int]
    total: dict[str, int]
    error: VixenError | None = None

    @property
    def complete(self) -> bool:
        return self.error is None


def compose(services: Services, plan_ids: Sequence[int]) -> list[Composed]:
    """Compose what these plans still lack; one result per plan, in the order of `plan_ids`.

    A failure of one plan is its result's `error` (StageFailed when its stills do not suffice, or
    what the video maker, the object store or the signing raised). Raises only what the database
    raises.
    """
    with services.database.begin() as session:
        plans = rows.load_plans(session, plan_ids, services.clock)
        keys = _avatar_keys(services, plans) if plans else {}
    made: dict[int, dict[str, int]] = {plan.id: dict.fromkeys(FORMATS, 0) for plan in plans}
    errors: dict[int, VixenError] = {}
    _compose_carousels(services, plans, made, errors)
    _compose_slideshows(services, plans, keys, made, errors)
    return [
        _result(plan, made[plan.id], errors.get(plan.id)) for plan in _in_order(plans, plan_ids)
    ]


def _in_order(plans: Sequence[OpenPlan], plan_ids: Sequence[int]) -> list[OpenPlan]:
    known = {plan.id: plan for plan in plans}
    return [known[plan_id] for plan_id in dict.fromkeys(plan_ids) if plan_id in known]


def _avatar_keys(services: Services, plans: Sequence[OpenPlan]) -> dict[int, str]:
    with services.database.begin() as session:
        found = session.execute(
            select(Avatar.id, Avatar.key).where(Avatar.id.in_({plan.avatar_id for plan in plans}))
        )
        return {row[0]: row[1] for row in found}


def _choices(plan: OpenPlan, format: Format, errors: dict[int, VixenError]) -> list[Choice]:
    """What is to be made. Too few stills is an error of the plan; what can be made still is.

    Where a person rejected stills and wants no others, or what was composed of them, fewer are
    what the person chose: the plan ends with what its stills give.
    """
    wanted = plan.formats[format] - len(plan.made[format])
    if wanted <= 0:
        return []
    chosen = choose(
        format, plan.stills, wanted, plan.seed, [*plan.made[format], *plan.refused[format]]
    )
    if len(chosen) < wanted and (plan.dropped or plan.refused[format]):
        plan.formats[format] = len(plan.made[format]) + len(chosen)
    elif len(chosen) < wanted:
        have = len(plan.made[format]) + len(chosen)
        scenes = len({still.scene for still in plan.stills})
        errors.setdefault(
            plan.id,
            StageFailed(
                STAGE,
                f"{plan.formats[format]} {format}s are planned, but {len(plan.stills)} stills in "
                f"{scenes} scenes give only {have}",
                next_step="Ask for a plan with more stills or fewer of them: `vixen content plan`.",
            ),
        )
    return chosen


def _compose_carousels(
    services: Services,
    plans: Sequence[OpenPlan],
    made: dict[int, dict[str, int]],
    errors: dict[int, VixenError],
) -> None:
    composites = [
        Composite(
            plan,
            choice,
            _key(plan, choice),
            _state(services, choice),
            _lineage(services, choice, "carousel"),
            Decimal(0),
        )
        for plan in plans
        for choice in _choices(plan, "carousel", errors)
    ]
    with services.database.begin() as session:
        for composite in composites:
            _count(made, composite, rows.save(session, [composite], services.run_id))


def _compose_slideshows(
    services: Services,
    plans: Sequence[OpenPlan],
    keys: dict[int, str],
    made: dict[int, dict[str, int]],
    errors: dict[int, VixenError],
) -> None:
    """Videos of all plans side by side, one per core; each is written as soon as it is there."""
    wanted = [(plan, choice) for plan in plans for choice in _choices(plan, "slideshow", errors)]
    if not wanted:
        return
    from vixen_pipeline.content.format_video import slideshow

    with ThreadPoolExecutor(os.cpu_count() or 1, "slideshows") as pool:
        futures: list[tuple[OpenPlan, Future[Composite]]] = []
        for plan, choice in wanted:
            key = _key(plan, choice)
            draft = Composite(
                plan,
                choice,
                key,
                _state(services, choice),
                _lineage(services, choice, services.video.name),
                Decimal(0),
            )
            futures.append((plan, pool.submit(slideshow, services, draft, keys[plan.avatar_id])))
        for plan, future in futures:
            try:
                composite = future.result()
                with services.database.begin() as session:
                    written = rows.save(session, [composite], services.run_id)
            except VixenError as error:
                errors[plan.id] = error
                continue
            _count(made, composite, written)


def _key(plan: OpenPlan, choice: Choice) -> str:
    """Permanent, and never given twice: a replacement is counted after what it replaces."""
    base = f"{choice.format}:{plan.id}"
    if choice.format == "carousel":
        base = f"{base}:{choice.scene}"
    number = 0
    while f"{base}:{number}" in plan.keys:
        number += 1
    plan.keys.add(f"{base}:{number}")
    return f"{base}:{number}"


def _state(services: Services, choice: Choice) -> str:
    every = all(still.state in rows.APPROVED for still in choice.members)
    return (
        "auto_approved"
        if every and services.settings.content_review == "auto"
        else ("pending_review")
    )


def _lineage(services: Services, choice: Choice, made_by: str) -> dict[str, object]:
    return {
        "made_by": made_by,
        "scene": choice.scene,
        "copy_shot": choice.members[0].shot_id,
        "members": [still.piece_id for still in choice.members],
        "run": services.run_id,
    }


def _count(made: dict[int, dict[str, int]], composite: Composite, written: int) -> None:
    if written:
        made[composite.plan.id][composite.choice.format] += 1
        composite.plan.made[composite.choice.format].append(composite.choice.ids)


def _result(plan: OpenPlan, made: dict[str, int], error: VixenError | None) -> Composed:
    total = {format: len(plan.made[format]) for format in FORMATS}
    short = [f"{plan.formats[f] - total[f]} {f}" for f in FORMATS if total[f] < plan.formats[f]]
    if error is None and short:
        error = StageFailed(
            STAGE,
            f"still to be composed: {', '.join(short)} (a member was rejected meanwhile)",
            permanent=False,
        )
    return Composed(plan.id, made, total, error)
