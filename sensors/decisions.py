"""Whether a drain is to be started. Belongs here: pure functions. Does not: reading anything.

Facts in, decision out: at most one run at a time, one run per set of facts and per finished run
before it, growing pauses when runs are in vain, and a run whose process is gone does not block the
next one for ever. A run that was killed is replaced at once, unless it is the second one that left
the same facts behind.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
LOCK_GRACE = timedelta(seconds=30)
"""A run that started less than this ago may not have taken its lock yet."""


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """A drain that is queued or running. `holds_lock` is None when it has not started yet."""

    run_id: str
    started_at: datetime | None
    holds_lock: bool | None


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A drain that ended, with the digest of the facts it was started for."""

    run_id: str
    ended_at: datetime
    succeeded: bool
    digest: str


@dataclass(frozen=True, slots=True)
class Facts:
    """`work` says in full what could be done now, one line each; empty: nothing.

    Each line holds what changes when it has been tried: attempt counts, event ids, poll times.
    `finished` is newest first.
    """

    now: datetime
    work: tuple[str, ...]
    active: tuple[ActiveRun, ...] = ()
    finished: tuple[FinishedRun, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """`run_key` None: no run now, because of `reason`. `dead`: runs whose process is gone."""

    reason: str
    run_key: str | None = None
    digest: str = ""
    dead: tuple[str, ...] = ()


def decide(facts: Facts) -> Decision:
    """Start a drain or not; the same facts always give the same answer."""
    dead = tuple(run.run_id for run in facts.active if is_dead(run, facts.now))
    alive = [run.run_id for run in facts.active if run.run_id not in dead]
    if alive:
        return Decision(f"A drain is queued or running: {alive[0]}.", dead=dead)
    digest = digest_of(facts.work)
    in_vain = runs_in_vain(facts.finished, digest)
    if not facts.work and not dead and not (facts.finished and not facts.finished[0].succeeded):
        return Decision("Nothing to do.")
    if in_vain and not dead:
        resume_at = facts.finished[0].ended_at + pause(in_vain)
        if facts.now < resume_at:
            said = "failed" if not facts.finished[0].succeeded else "changed nothing"
            return Decision(f"The last drain {said}; the next one not before {resume_at:%H:%M:%S}.")
    before = dead[0] if dead else facts.finished[0].run_id if facts.finished else "first"
    why = f"{len(facts.work)} facts" if facts.work else "the last drain did not end well"
    return Decision(why, run_key=f"{digest}:{before}", digest=digest, dead=dead)


def is_dead(run: ActiveRun, now: datetime) -> bool:
    """It says it is running, and its process has lost the lock that it holds while it lives."""
    if run.holds_lock is not False or run.started_at is None:
        return False
    return now - run.started_at > LOCK_GRACE


def digest_of(work: tuple[str, ...]) -> str:
    """The facts' fingerprint; their order does not matter."""
    return hashlib.sha256("\n".join(sorted(work)).encode()).hexdigest()[:20]


def runs_in_vain(finished: tuple[FinishedRun, ...], digest: str) -> int:
    """How many of the last runs, without a break, left these same facts behind.

    Of failed ones the newest is not counted: one crash says nothing about the next run.
    """
    count = 0
    for run in finished:
        if run.digest != digest:
            break
        count += 1
    return count - 1 if count and not finished[0].succeeded else count


def pause(in_vain: int) -> timedelta:
    """5 s after the first run in vain, then doubled, at most 10 minutes."""
    return min(FIRST_PAUSE * 2 ** min(in_vain - 1, 10), LONGEST_PAUSE)
