"""One inference call from intent to answer. Belongs here: performing, reading back, waiting.

Does not: images (render_images.py), rows (render_rows.py). Killed anywhere in here, the effect says
how far it came and the next run goes on from there:

    intended ─▶ dispatched ─▶ accepted (remote id) ─▶ images stored ─▶ rows and end committed

The endpoint works on a request id once and keeps the answer, so a call that may have been sent is
read back; what it does not know, it never took. Nothing is paid for twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vixen_pipeline.content.render_orders import PROVIDER, presigned_weights, prompts_of
from vixen_pipeline.effects import Accepted, Effect, NotDone
from vixen_pipeline.errors import Transient
from vixen_pipeline.providers.inference_ports import RUNNING, InferenceBatch

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

READ_TRIES = 5
FIRST_WAIT_S = 0.5
MOST_WAIT_S = 5.0
LONGEST_RUN_S = 1800.0


def answer_of(services: Services, effect: Effect) -> InferenceBatch | None:
    """The call's images: made now, or found again. None: they are lost at the provider.

    Raises Transient, Permanent, Busy for this call, Unavailable when the database is away.
    """
    made: list[InferenceBatch] = []

    def send(current: Effect) -> Accepted:
        # Presigned only now that the slot is held: the URL cannot run out in our own queue.
        weights = presigned_weights(services, current)
        made.append(services.inference.generate(current.key, weights, prompts_of(current)))
        return Accepted(current.key)

    performed = services.effects.perform(
        effect,
        send,
        lambda current: find_call(services, current),
        gate=lambda: services.slots.hold("modal"),
    )
    if made:
        return made[-1]
    with services.slots.hold("modal"):  # the provider may still be working on it
        return _wait_for_end(services, performed)


def find_call(services: Services, effect: Effect) -> Accepted | NotDone:
    """Read the provider back: has it taken this call? Changes nothing there.

    How it ended is settled together with the rows of its images.
    """
    if effect.remote_id is not None:
        return Accepted(effect.remote_id)
    try:
        found = _read(services, effect)
    except Transient as error:
        if error.code != RUNNING:
            raise
        return Accepted(effect.key)
    return NotDone() if found is None else Accepted(effect.key)


def _wait_for_end(services: Services, effect: Effect) -> InferenceBatch | None:
    waited, wait = 0.0, FIRST_WAIT_S
    while True:
        try:
            return _read(services, effect)
        except Transient as error:
            if error.code != RUNNING or waited > LONGEST_RUN_S:
                raise
        services.clock.sleep(wait)
        waited, wait = waited + wait, min(wait * 1.5, MOST_WAIT_S)


def _read(services: Services, effect: Effect) -> InferenceBatch | None:
    """What the endpoint has under this id; reading has no effect, so it is tried again."""
    wait = FIRST_WAIT_S
    for last in (False,) * (READ_TRIES - 1) + (True,):
        try:
            return services.inference.find(effect.key, prompts_of(effect))
        except Transient as error:
            if last or error.code == RUNNING:
                raise
            services.clock.sleep(error.retry_after if error.retry_after is not None else wait)
            wait = min(wait * 2, MOST_WAIT_S)
    raise Transient(PROVIDER, "unreachable")
