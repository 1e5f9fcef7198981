"""The rows of rendered images on their way. Belongs here: intending, settling, finding open ones.

Does not: choosing (image_choice.py). Rows are inserted in one transaction with their call's intent,
before the call; they are settled in one with its end and its cost. A kill leaves all of it or none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from vixen_pipeline.content.render_orders import STAGES, Purpose, RenderOrder, call_intent
from vixen_pipeline.costs import PaidCall
from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import RenderedImage
from vixen_pipeline.effects import Effect
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.money import USD_QUANTUM, largest_remainder
from vixen_pipeline.providers.inference_ports import InferenceBatch

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

NOT_WANTED = "given up before it was sent: its weights or its plan are not in use any more"


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call whose images are not settled: its effect, and its rows in the order of the prompts."""

    avatar: AvatarRef
    purpose: Purpose
    effect: Effect
    rows: tuple[RenderedImage, ...]


def intend_call(services: Services, orders: Sequence[RenderOrder]) -> OpenCall:
    """Commit the intent of one call and the rows of its images, in one transaction."""
    first = orders[0]
    with services.database.begin() as session:
        (effect,) = services.effects.intend([call_intent(orders)], session=session)
        now = services.clock.now()
        values = [
            {**_ordered(order), "effect_id": effect.id, "created_at": now} for order in orders
        ]
        rows = session.scalars(
            insert(RenderedImage).returning(RenderedImage, sort_by_parameter_order=True), values
        ).all()
    return OpenCall(first.avatar, first.purpose, effect, tuple(rows))


def _ordered(order: RenderOrder) -> Json:
    return {
        "avatar_id": order.avatar.id,
        "shot_id": order.purpose_id if order.purpose == "shot" else None,
        "exam_id": order.purpose_id if order.purpose == "exam" else None,
        "attempt": order.attempt,
        "request_id": order.request_id,
        "prompt": order.prompt,
        "prompt_sha256": order.prompt_sha256,
        "seed": order.seed,
        "weights_sha256": order.weights.sha256,
    }


def open_calls(
    services: Services,
    avatars: Sequence[AvatarRef],
    purpose: Purpose,
    wanted: Callable[[RenderedImage], bool],
) -> list[OpenCall]:
    """Calls that a former run left without their end, oldest first, exactly as it grouped them.

    One that the provider refused beforehand is opened again: a stage with such a failure does not
    run by itself, so that it runs means that a person asked. One that was surely not taken, and
    whose images are not `wanted` any more (of weights that others follow, of a plan that ended), is
    given up: it would be paid for in vain, or be refused for ever.
    """
    by_id = {avatar.id: avatar for avatar in avatars}
    column = RenderedImage.shot_id if purpose == "shot" else RenderedImage.exam_id
    with services.database.begin() as session:
        rows = session.scalars(
            select(RenderedImage)
            .where(
                RenderedImage.avatar_id.in_(by_id),
                RenderedImage.settled_at.is_(None),
                column.is_not(None),
            )
            .order_by(RenderedImage.effect_id, RenderedImage.id)
        ).all()
    by_effect: dict[int, list[RenderedImage]] = {}
    for row in rows:
        by_effect.setdefault(row.effect_id, []).append(row)
    calls: list[OpenCall] = []
    for effect_id, group in by_effect.items():
        effect = services.effects.get(effect_id)
        if not wanted(group[0]) and _given_up(services, effect, group):
            continue
        if effect.state == "failed" and effect.remote_id is None:
            effect = services.effects.reopen(effect_id)
        calls.append(OpenCall(by_id[group[0].avatar_id], purpose, effect, tuple(group)))
    return calls


def _given_up(services: Services, effect: Effect, rows: Sequence[RenderedImage]) -> bool:
    """Whether the call was surely not taken; then it and its images have ended, unpaid."""
    if effect.remote_id is not None or effect.state not in ("intended", "failed"):
        return False
    with services.database.begin() as session:
        if effect.state == "intended" and not services.effects.give_up(
            effect.id, NOT_WANTED, session
        ):
            return False
        session.execute(
            update(RenderedImage),
            [
                {
                    "id": row.id,
                    "unusable": NOT_WANTED,
                    "usd": Decimal(0),
                    "settled_at": services.clock.now(),
                }
                for row in rows
            ],
        )
    return True


def rows_of(services: Services, orders: Sequence[RenderOrder]) -> dict[str, RenderedImage]:
    """The rows that exist already for these orders, by request id."""
    ids = [order.request_id for order in orders]
    with services.database.begin() as session:
        rows = session.scalars(select(RenderedImage).where(RenderedImage.request_id.in_(ids)))
        return {row.request_id: row for row in rows}


def settle_call(
    services: Services, call: OpenCall, batch: InferenceBatch | None, images: Sequence[Json]
) -> list[RenderedImage]:
    """Commit the images of a call with its end and its cost; the rows as they are then.

    Changes nothing when the call has ended already (another process was quicker).
    """
    usages = batch.usage if batch is not None else ()
    shares = _shares(services.costs.quote(usages), len(call.rows))
    now = services.clock.now()
    ids = [row.id for row in call.rows]
    with services.database.begin() as session:
        result = _result(call, batch, images)
        if services.effects.settle(call.effect.id, result=result, error=None, session=session):
            model = batch.model if batch is not None else None
            session.execute(
                update(RenderedImage),
                [
                    {**image, "id": id_, "usd": usd, "model": model, "settled_at": now}
                    for id_, image, usd in zip(ids, images, shares, strict=True)
                ],
            )
            paid = PaidCall(
                key=call.effect.key,
                avatar_id=call.avatar.id,
                effect_id=call.effect.id,
                batch=STAGES[call.purpose],
                usages=usages,
            )
            services.costs.record([paid], session=session)
        return _read(session, ids)


def save_columns(services: Services, row: RenderedImage, columns: Json) -> RenderedImage:
    """Measurements of a settled image that were missing."""
    with services.database.begin() as session:
        session.execute(update(RenderedImage), [{**columns, "id": row.id}])
        return _read(session, [row.id])[0]


def _read(session: Session, ids: Sequence[int]) -> list[RenderedImage]:
    return list(
        session.scalars(
            select(RenderedImage).where(RenderedImage.id.in_(ids)).order_by(RenderedImage.id)
        )
    )


def _shares(usd: Decimal, images: int) -> list[Decimal]:
    """A call's cost over its images, exact to the last quantum. A failed image has its share."""
    quanta = int(usd / USD_QUANTUM)
    return [share * USD_QUANTUM for share in largest_remainder(quanta, [1] * images)]


def _result(call: OpenCall, batch: InferenceBatch | None, images: Sequence[Json]) -> Json:
    """What the effect keeps: digests of the model and of each image that came."""
    return {
        "model": batch.model if batch is not None else None,
        "model_digest": batch.model_digest if batch is not None else None,
        "images": {
            row.request_id: image["sha256"]
            for row, image in zip(call.rows, images, strict=True)
            if image["sha256"] is not None
        },
    }
