"""One training handed to the provider. Belongs here: money set aside, the effect, the row.

Does not: waiting: a training ends by webhook or poll. Killed before the row is committed, the next
run finds the effect with its remote id, or reads the provider back, and commits the row then.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from vixen_pipeline.effects import Accepted, Effect
from vixen_pipeline.errors import Permanent, Transient
from vixen_pipeline.identity.image_costs import expected_training
from vixen_pipeline.identity.image_filling import reopen_refused
from vixen_pipeline.identity.training_plan import TrainingTask, request_of, webhook_url
from vixen_pipeline.identity.training_rows import insert_training

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

LOOK_BACK = timedelta(hours=1)
LONGEST_PRESIGN_S = 604_800
"""Signatures of S3 and R2 hold for a week at most."""


def submit_training(services: Services, task: TrainingTask) -> None:
    """Submit once, ever, and commit the row of the training.

    Raises BudgetExceeded beforehand, with nothing sent; ProviderError otherwise.
    """
    settings = services.settings
    intended = services.effects.intend([task.intent(settings.training_timeout_s)])
    effect = reopen_refused(services, intended)[0]
    estimate = services.costs.quote(
        expected_training(str(effect.request["trainer"]), int(effect.request["steps"]))
    )
    try:
        performed = services.effects.perform(
            effect,
            lambda e: _create(services, e),
            lambda e: find_training(services, e),
            gate=lambda: _gate(services, effect, estimate),
        )
    except (Transient, Permanent):
        # Only where it surely did not begin is the money free again: reading back may fail, too.
        if services.effects.get(effect.id).state in ("intended", "failed"):
            services.costs.release(effect.key)
        raise
    now = services.clock.now()
    with services.database.begin() as session:
        insert_training(
            session,
            {
                "avatar_id": task.avatar.id,
                "dataset_id": task.dataset.id,
                "settings_digest": task.settings.digest,
                "settings": task.settings.as_json(),
                "attempt": task.attempt,
                "effect_id": performed.id,
                "remote_id": performed.remote_id,
                "estimate_usd": estimate,
                "next_poll_at": now + timedelta(seconds=settings.training_poll_s),
                "deadline": now + timedelta(seconds=settings.training_timeout_s),
                "created_at": now,
                "status_at": now,
            },
        )


@contextmanager
def _gate(services: Services, effect: Effect, estimate: Decimal) -> Generator[None]:
    """Money first, kept until it is booked with the training's end; then the slot and
    the look-ups: once the dispatch is recorded the grace runs, so no waiting."""
    # Longer than a training may take.
    life = timedelta(seconds=services.settings.training_timeout_s) + LOOK_BACK
    services.costs.reserve(effect.avatar_id, effect.key, estimate, life)
    with services.slots.hold("replicate"):
        services.trainer.prepare(request_of(effect, "", None))
        yield


def _create(services: Services, effect: Effect) -> Accepted:
    # Presigned for this one call, and kept nowhere. The provider may fetch it at any time until the
    # training is given up: it waits in line there, or starts again on another machine.
    life = math.ceil(services.settings.training_timeout_s + LOOK_BACK.total_seconds())
    url = services.objects.presign(str(effect.request["archive_key"]), min(life, LONGEST_PRESIGN_S))
    job = services.trainer.create(request_of(effect, url, webhook_url(services.settings)))
    return Accepted(job.id)


def find_training(services: Services, effect: Effect) -> Accepted | None:
    """Read the provider back: is there a training of this intent? Changes nothing there.

    Whatever became of it, it was taken: how it ended is settled by the poll.
    """
    if effect.remote_id is not None:
        return Accepted(services.trainer.get(effect.remote_id).id)
    since = effect.dispatched_at or services.clock.now() - LOOK_BACK
    found = services.trainer.find(request_of(effect, "", None), since)
    return Accepted(found.id) if found is not None else None
