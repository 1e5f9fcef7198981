"""How a training ends. Belongs here: one provider statement into one transaction, monotonically.

Does not: asking the provider (trainings.py). Deliveries come early, twice and out of order; a
state never goes back, an end never changes, and the cost is booked once, with the end.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from vixen_pipeline.costs import PaidCall
from vixen_pipeline.db.models import Avatar, EffectRow, LoraTraining
from vixen_pipeline.identity.attempts import record_failure, retry_command
from vixen_pipeline.identity.image_costs import billed, expected_training
from vixen_pipeline.identity.training_rows import is_current, lock_training
from vixen_pipeline.providers.ports import TERMINAL, RemoteJob

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

STAGE = "lora_trainings"
_RANK = {"submitted": 0, "processing": 1}
_ENDED = 2


def settle_training(services: Services, session: Session, job: RemoteJob) -> LoraTraining | None:
    """Take in what the provider says of a training; the row, or None when it is not known (yet).

    Safe to repeat with the same, older or newer statements.
    """
    training = lock_training(session, job.id)
    if training is None:
        return None
    before, after = _rank(training.status), _rank(job.status)
    if before == _ENDED or after <= before:
        return training
    now = services.clock.now()
    training.status = job.status
    training.status_at = now
    if job.status in TERMINAL:
        training.completed_at = now
        _end(services, session, training, job)
    return training


def _rank(status: str) -> int:
    return _RANK.get(status, _ENDED)


def _end(services: Services, session: Session, training: LoraTraining, job: RemoteJob) -> None:
    failed = job.status != "succeeded"
    if failed:
        training.error = (job.error or f"the provider says {job.status}")[:1000]
    services.effects.settle(
        training.effect_id,
        result=None if failed else {"status": job.status},
        error=training.error,
        session=session,
    )
    _book(services, session, training, job)
    if failed and is_current(session, training):
        avatar = session.get_one(Avatar, training.avatar_id)
        record_failure(
            session,
            training.avatar_id,
            STAGE,
            f"training {job.id} {job.status}: {training.error}",
            another_attempt(avatar.key),
            True,
            services.clock,
        )


def _book(services: Services, session: Session, training: LoraTraining, job: RemoteJob) -> None:
    """The cost, from the seconds that the provider billed."""
    steps = int(training.settings["steps"])
    usages = billed(job, otherwise=expected_training(str(training.settings["trainer"]), steps))
    training.billed_seconds = sum((usage.units for usage in usages), Decimal(0))
    training.cost_usd = services.costs.quote(usages)
    call = PaidCall(
        key=effect_key(session, training),
        avatar_id=training.avatar_id,
        effect_id=training.effect_id,
        batch=STAGE,
        usages=usages,
    )
    services.costs.record([call], session=session)


def effect_key(session: Session, training: LoraTraining) -> str:
    """The key under which the training's money was set aside and is booked."""
    return session.get_one(EffectRow, training.effect_id).key


def another_attempt(avatar_key: str) -> str:
    return f"`{retry_command(STAGE, avatar_key)}` pays for another attempt."
