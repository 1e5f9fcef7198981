"""Acting on the world at most once per intent, whatever is killed and whenever.

Belongs here: the rules of the state machine and the waiting they need. Does not: SQL
(repository.py), any provider's call or read-back (passed in by the caller).

    intended ──dispatch, committed──▶ dispatched ──Done──▶ confirmed
       ▲                                  │  │  └─Failed or Permanent──▶ failed
       │ surely not done (Transient)      │  └─Accepted: keeps its remote id, ends by settle()
       └──────────────────────────────────┤
       ▲                                  ▼ may have been done (Unknown, or a crash)
       └─not listed after the grace── unknown ──read back──▶ dispatched | confirmed | failed

`attempts` fences: an answer is kept only if it belongs to the newest dispatch. A dispatched effect
without remote id that nobody performs is what a crash leaves; it is treated as unknown.

Past its deadline (`Intent.deadline` after the state began) an intended effect is to be performed, a
dispatched or unknown one to be reconciled; `overdue` lists them for the check.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Literal

import structlog
from sqlalchemy.orm import Session

from vixen_pipeline.clock import Clock
from vixen_pipeline.db.base import Json
from vixen_pipeline.db.session import Database
from vixen_pipeline.effects import repository
from vixen_pipeline.effects.model import Effect, Failed, Intent, NotDone, Outcome
from vixen_pipeline.effects.queries import EffectQueries
from vixen_pipeline.errors import (
    BudgetExceeded,
    Busy,
    NotFound,
    Permanent,
    PolicyRefused,
    Transient,
    Unavailable,
    Unknown,
)
from vixen_pipeline.locks import ProcessLocks
from vixen_pipeline.settings import Settings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Call = Callable[[Effect], Outcome]
"""Does it, once, sending at once. Raises the three ProviderErrors; BudgetExceeded, PolicyRefused
and Busy mean that nothing was sent; anything else counts as a crash: it may have been sent."""

Reconcile = Callable[[Effect], Outcome | NotDone | None]
"""Reads the provider back; None: it does not list it (yet). Changes nothing out there."""

Gate = Callable[[], AbstractContextManager[object]]
"""Makes what is held from before the dispatch until after the call."""

Point = Literal["intended", "dispatched", "called", "saved"]

MAX_TRIES = 5
MAX_BACKOFF_S = 60.0
FIRST_BACKOFF_S = 0.5
RECONCILE_WAIT_S = 15.0
"""How long `perform` keeps reading back an unknown effect before it raises Unknown."""
SAVE_WAITS_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0)
"""Waits between tries to save an answer while the database is away."""


def no_checkpoint(_: Point) -> None:
    """The default of `checkpoint`: tests kill the process at these points."""


class Effects(EffectQueries):
    """The effects table as a service. Safe for threads; holds no transaction during a call."""

    def __init__(
        self,
        database: Database,
        locks: ProcessLocks,
        clock: Clock,
        settings: Settings,
        *,
        checkpoint: Callable[[Point], None] = no_checkpoint,
    ) -> None:
        super().__init__(database, clock)
        self._locks = locks
        self._grace = timedelta(seconds=settings.reconcile_grace_s)
        self._checkpoint = checkpoint

    # ---- intending ------------------------------------------------------------------------------

    def intend(self, intents: Sequence[Intent], session: Session | None = None) -> list[Effect]:
        """Commit the intents, those that are new, in one transaction; return all, in order.

        An existing row wins over a different request under the same key: it may have been sent.
        With `session` it is part of the caller's transaction, committed there.
        """
        if not intents:
            return []
        if session is None:
            with self._database.begin() as own:
                effects = self._intend(own, intents)
            self._checkpoint("intended")
            return effects
        return self._intend(session, intents)

    def _intend(self, session: Session, intents: Sequence[Intent]) -> list[Effect]:
        repository.insert_missing(session, intents, self._clock.now())
        rows = repository.by_keys(session, [intent.key for intent in intents])
        for intent in intents:
            if rows[intent.key][1] != repository.request_digest(intent.request):
                log.warning("effects.request_differs", key=intent.key, kind=intent.kind)
        return [rows[intent.key][0] for intent in intents]

    # ---- performing -----------------------------------------------------------------------------

    def perform(
        self, effect: Effect, call: Call, reconcile: Reconcile, *, gate: Gate = nullcontext
    ) -> Effect:
        """Bring it to an answer: confirmed, or dispatched with its remote id.

        `gate` is entered before each dispatch and left after the call: slots, reservations and
        look-ups go there, because `call` must send at once (the grace counts from the dispatch).

        Raises Permanent when it failed or fails; Transient after `MAX_TRIES` or when asked for a
        long wait; Unknown when reading back does not tell yet; Busy when another live process
        performs it; Unavailable when the database is away; and what `gate` raises. After any of
        them, performing again later is right and safe.
        """
        with self._locks.hold("effect", effect.id) as mine:
            if not mine:
                raise Busy(f"effect {effect.id} ({effect.kind}) is being performed elsewhere.")
            tries = 0
            current = self.get(effect.id)
            while not _answered(current):
                if current.state == "intended":
                    tries += 1
                    with gate():
                        current, wait = self._try(current, call, last=tries >= MAX_TRIES)
                    self._clock.sleep(wait)
                else:
                    current = self._reconcile_until_known(current, reconcile)
            return current

    def _try(self, effect: Effect, call: Call, *, last: bool) -> tuple[Effect, float]:
        """Dispatch and call once; the effect afterwards, and how long to wait (s) to go on."""
        with self._database.begin() as session:
            dispatched = repository.dispatch(session, effect.id, self._clock.now())
        if dispatched is None:  # somebody settled it meanwhile
            return self.get(effect.id), 0.0
        self._checkpoint("dispatched")
        try:
            outcome = call(dispatched)
        except Transient as error:
            self._put_back(dispatched, error)
            if last or (error.retry_after or 0.0) > MAX_BACKOFF_S:
                raise
            return self.get(effect.id), _backoff(dispatched.attempts, error.retry_after)
        except Permanent as error:
            self._save(dispatched, Failed(None, str(error)))
            raise
        except Unknown as error:
            self._mark_unknown(dispatched, str(error))
            log.warning("effects.unknown", effect=effect.id, kind=effect.kind, error=str(error))
            return self.get(effect.id), 0.0
        except (BudgetExceeded, PolicyRefused, Busy) as error:
            self._put_back(dispatched, error)
            raise
        self._checkpoint("called")
        return self._save(dispatched, outcome), 0.0

    def _put_back(self, effect: Effect, error: Exception | str) -> None:
        self._keep(lambda s: repository.put_back(s, effect, str(error), self._clock.now()))

    def _save(self, effect: Effect, outcome: Outcome) -> Effect:
        saved = self._keep(lambda s: repository.save_outcome(s, effect, outcome, self._clock.now()))
        self._checkpoint("saved")
        if saved is None:
            saved = self.get(effect.id)
            if saved.remote_id != outcome.remote_id:
                # Only possible when a call outlived the grace: somebody must look at the provider.
                log.error(
                    "effects.late_answer",
                    effect=effect.id,
                    attempt=effect.attempts,
                    remote_id=outcome.remote_id,
                    kept_remote_id=saved.remote_id,
                )
        return saved

    def _keep(self, change: Callable[[Session], Effect | None]) -> Effect | None:
        """Commit what was learnt, also when the database is away for some seconds."""
        for wait in (*SAVE_WAITS_S, None):
            try:
                with self._database.begin() as session:
                    return change(session)
            except Unavailable:
                if wait is None:
                    raise
                self._clock.sleep(wait)
        raise AssertionError("unreachable")

    # ---- reconciling ----------------------------------------------------------------------------

    def reconcile(self, effect: Effect, reconcile: Reconcile) -> Effect:
        """Read the provider back once and keep what it says; performs nothing.

        For stuck effects: dispatched (with or without remote id) or unknown. Others are returned
        as they are. Raises Busy, Unavailable, and what `reconcile` raises.
        """
        with self._locks.hold("effect", effect.id) as mine:
            if not mine:
                raise Busy(f"effect {effect.id} ({effect.kind}) is being performed elsewhere.")
            current = self.get(effect.id)
            if current.state in ("dispatched", "unknown"):
                self._mark_interrupted(current)
                self._read_back(current, reconcile)
            return self.get(effect.id)

    def _reconcile_until_known(self, effect: Effect, reconcile: Reconcile) -> Effect:
        """The effect once it is known what became of the call; Unknown when time is up."""
        self._mark_interrupted(effect)
        waited, wait = 0.0, 0.2
        while not self._read_back(effect, reconcile):
            if waited >= RECONCILE_WAIT_S:
                raise Unknown(
                    effect.provider,
                    f"effect {effect.id} ({effect.kind}) may have been done and is not listed yet.",
                    next_step="It is read back again at the next run.",
                )
            self._clock.sleep(wait)
            waited, wait = waited + wait, min(wait * 2, 3.0)
        return self.get(effect.id)

    def _mark_interrupted(self, effect: Effect) -> None:
        if effect.state == "dispatched" and effect.remote_id is None:
            self._mark_unknown(effect, "interrupted: no answer was kept")

    def _mark_unknown(self, effect: Effect, reason: str) -> None:
        self._keep(lambda s: repository.mark_unknown(s, effect, reason, self._clock.now()))

    def _read_back(self, effect: Effect, reconcile: Reconcile) -> bool:
        """Whether the state moved. Not listed counts as not done only after the grace."""
        # Asked for before reading, so that the grace has passed when the provider is asked.
        dispatched_at = effect.dispatched_at or self._clock.now()
        grace_over = self._clock.now() >= dispatched_at + self._grace
        outcome = reconcile(effect)
        if outcome is None and (not grace_over or effect.remote_id is not None):
            return False
        if outcome is not None and not isinstance(outcome, NotDone):
            self._save(effect, outcome)
            return True
        self._put_back(effect, effect.error or "the provider does not list it: not done")
        return True

    def settle(
        self,
        effect_id: int,
        *,
        result: Json | None,
        error: str | None,
        session: Session | None = None,
    ) -> bool:
        """dispatched or unknown → confirmed (error None) or failed. True when this call did it.

        Monotonic: an ended effect never changes, so late and repeated events are harmless.
        """
        with self._database.begin() if session is None else nullcontext(session) as used:
            return repository.settle(used, effect_id, result, error, self._clock.now())

    def give_up(self, effect_id: int, error: str, session: Session) -> bool:
        """intended → failed: surely not sent, and not wanted any more. False when it was not."""
        return repository.give_up(session, effect_id, error, self._clock.now())

    def reopen(self, effect_id: int) -> Effect:
        """An operator's second try of an effect that failed before the provider took it."""
        with self._database.begin() as session:
            effect = repository.reopen(session, effect_id, self._clock.now())
        if effect is None:
            raise NotFound(f"effect {effect_id} did not fail before the provider took it.")
        return effect


def _answered(effect: Effect) -> bool:
    """Whether there is nothing left to do for `perform`. Raises Permanent when it failed."""
    if effect.state == "failed":
        raise Permanent(effect.provider, effect.error or "failed")
    return effect.state == "confirmed" or effect.remote_id is not None


def _backoff(attempt: int, retry_after: float | None) -> float:
    """Seconds: what the provider asks for, else doubling, spread so that callers do not sync."""
    doubled = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(attempt - 1, 10))
    return retry_after if retry_after is not None else doubled * random.uniform(0.5, 1.0)
