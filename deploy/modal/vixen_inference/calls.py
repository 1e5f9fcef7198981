"""Each request is worked on once, whoever asks how often. Belongs here: claims, waiting, answers.

Does not: HTTP (web.py), drawing (inference.py), Modal (../app.py brings ledger and runner).

A ledger of put-if-absent entries, never changed and never removed, decides everything:

    <id>@<n>         attempt n of the request: {digest, at}
    <id>@<n>/starter somebody is about to start a run
    <id>@<n>/call    the run that was started for it (what the web side knows)
    <id>@<n>/work    the run that does the work: claimed by the run itself before it draws
    <id>@<n>/ended   the attempt came to nothing (refused weights, crash): the id is free again

A process may die between any two of these. A started run whose id nobody noted still claims
`/work`, so whoever starts a second one finds that it may not draw, and follows the first. Modal
restarts a run whose machine it takes away under the same id, which then finds its own claim.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from vixen_inference.wire import Generate, Refused

log = logging.getLogger(__name__)

UNSTARTED_S = 30.0
"""A claimed attempt without a run after this lost its starter: the next to ask starts it."""
FORGOTTEN_S = 1800.0
"""Longer than a run can queue and last. An attempt with no run after this is as good as none."""
_TICK_S = 0.5

Answer = dict[str, Any]


class Differs(Exception):
    """The request id was used for another request before."""


class RunFailed(Exception):
    """A run surely ended without an answer: it crashed, was cut off, or the answer has expired.

    Anything else that `Runner.wait` raises says nothing about the run, and frees nothing.
    """


class Ledger(Protocol):
    """Entries that are put once. Shared by all containers."""

    async def put_if_absent(self, key: str, value: Mapping[str, Any]) -> bool: ...
    async def get(self, key: str) -> Mapping[str, Any] | None: ...


class Runner(Protocol):
    """Starts runs of `work` on a GPU and hands out their answers."""

    async def start(self, body: Mapping[str, Any], attempt: str) -> str: ...

    async def wait(self, call: str, seconds: float) -> Answer | None:
        """The answer, or None when there is none after `seconds`. Raises RunFailed."""
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """The newest attempt of a request."""

    key: str
    digest: str
    at: float


@dataclass(frozen=True, slots=True)
class Running:
    """The request is being worked on."""


class Calls:
    """Requests by id, over a shared ledger."""

    def __init__(
        self,
        ledger: Ledger,
        runner: Runner,
        *,
        now: Callable[[], float] = time.time,
        unstarted_s: float = UNSTARTED_S,
        tick_s: float = _TICK_S,
    ) -> None:
        self._ledger = ledger
        self._runner = runner
        self._now = now
        self._unstarted_s = unstarted_s
        self._tick_s = tick_s

    async def generate(self, body: Generate) -> Answer:
        """The one answer of this request, waiting for it however long it takes.

        Raises Differs, Refused (its weights cannot be used) or RunFailed. After the latter two the
        same id may be sent again, and is then worked on anew.
        """
        attempt = await self._claim(body)
        if attempt.digest != body.digest:
            raise Differs
        call = await self._started(attempt, body)
        while True:
            outcome = await self._outcome(attempt, call, 60.0)
            if isinstance(outcome, str):
                call = outcome
            elif outcome is not None:
                return outcome

    async def find(self, request_id: str) -> Answer | Running | None:
        """What became of a request, without waiting; None when nothing is, or will be, there."""
        attempt, ended = await self._newest(request_id)
        if attempt is None or ended:
            return None
        call = await self._call(attempt)
        if call is None:
            return None if self._now() - attempt.at > FORGOTTEN_S else Running()
        try:
            outcome = await self._outcome(attempt, call, 0.0)
            if isinstance(outcome, str):
                outcome = await self._outcome(attempt, outcome, 0.0)
        except (RunFailed, Refused):
            return None
        return outcome if isinstance(outcome, dict) else Running()

    # ---- the ledger -----------------------------------------------------------------------------

    async def _newest(self, request_id: str) -> tuple[Attempt | None, bool]:
        """The newest attempt, and whether it came to nothing."""
        newest: Attempt | None = None
        number = 0
        while (value := await self._ledger.get(f"{request_id}@{number}")) is not None:
            newest = Attempt(f"{request_id}@{number}", str(value["digest"]), float(value["at"]))
            if await self._ledger.get(f"{newest.key}/ended") is None:
                return newest, False
            number += 1
        return newest, newest is not None

    async def _claim(self, body: Generate) -> Attempt:
        """The open attempt of this request, ours or somebody else's."""
        while True:
            newest, ended = await self._newest(body.request_id)
            if newest is not None and (not ended or newest.digest != body.digest):
                return newest  # an id belongs to its request, also after a failure
            number = 0 if newest is None else int(newest.key.rpartition("@")[2]) + 1
            value = {"digest": body.digest, "at": self._now()}
            await self._ledger.put_if_absent(f"{body.request_id}@{number}", value)

    async def _call(self, attempt: Attempt) -> str | None:
        """The run of an attempt: the one at work if there is one, else the one started."""
        for part in ("work", "call"):
            value = await self._ledger.get(f"{attempt.key}/{part}")
            if value is not None:
                return str(value["call"])
        return None

    async def _started(self, attempt: Attempt, body: Generate) -> str:
        """The run of this attempt; started here when it is ours, or its starter is lost."""
        starting = await self._ledger.put_if_absent(f"{attempt.key}/starter", {"at": self._now()})
        while not starting:
            if (call := await self._call(attempt)) is not None:
                return call
            if self._now() - attempt.at > self._unstarted_s:
                break
            await asyncio.sleep(self._tick_s)
        call = await self._runner.start(body.model_dump(), attempt.key)
        await self._ledger.put_if_absent(f"{attempt.key}/call", {"call": call})
        return call

    async def _outcome(self, attempt: Attempt, call: str, seconds: float) -> Answer | str | None:
        """The answer, the id of the run that really works, or None while it still runs."""
        try:
            answer = await self._runner.wait(call, seconds)
        except RunFailed:
            worker = await self._ledger.get(f"{attempt.key}/work")
            if worker is not None and worker["call"] != call:
                return str(worker["call"])  # ours died, but was not the one at work
            await self._ledger.put_if_absent(f"{attempt.key}/ended", {"at": self._now()})
            raise
        if answer is None:
            return None
        if "held_by" in answer:
            return str(answer["held_by"])
        if "crashed" in answer:
            await self._ledger.put_if_absent(f"{attempt.key}/ended", {"at": self._now()})
            raise RunFailed(str(answer["crashed"]))
        if "refused" in answer:
            await self._ledger.put_if_absent(f"{attempt.key}/ended", {"at": self._now()})
            raise Refused(answer["refused"], str(answer["message"]))
        return answer


def work(
    body: Mapping[str, Any],
    attempt: str,
    call: str,
    claim: Callable[[str, Mapping[str, Any]], Mapping[str, Any]],
    render: Callable[[Generate], Answer],
) -> Answer:
    """What a run does: claim the attempt, then draw. Runs where the GPU is.

    `claim` puts an entry if there is none and returns the one that is there afterwards.
    """
    holder = str(claim(f"{attempt}/work", {"call": call})["call"])
    if holder != call:
        return {"held_by": holder}
    try:
        return render(Generate.model_validate(body))
    except Refused as error:
        return {"refused": error.code, "message": error.message}
    except Exception as error:
        # The edge of the run. It says itself that it died, so that what Modal's client raises is
        # never taken for it: a lost connection frees no id.
        log.exception("the run crashed")
        return {"crashed": type(error).__name__}
