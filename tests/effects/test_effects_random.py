"""Whatever happens in whatever order, the provider ends up with exactly one effect."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.db.session import Database
from vixen_pipeline.effects import Accepted, Done, Effect, Effects, Intent, Outcome
from vixen_pipeline.errors import ProviderError, Transient, Unknown
from vixen_pipeline.locks import ProcessLocks
from vixen_pipeline.settings import Settings

_keys = itertools.count()

Fate = str
FATES = st.sampled_from(
    ["accepted", "done", "transient", "lost before", "lost after", "crash before", "crash after"]
)


class CrashError(BaseException):
    """The process ends here: nothing of ours runs after it."""


class FakeProvider:
    """Does what its fate says, and lists what it did, some time later."""

    def __init__(self, fates: Sequence[Fate], clock: ManualClock, lag_s: int) -> None:
        self.fates = list(fates)
        self.clock = clock
        self.lag = timedelta(seconds=lag_s)
        self.listed_from = clock.now()
        self.done: list[str] = []

    def call(self, _: Effect) -> Outcome:
        fate = self.fates.pop(0) if self.fates else "done"
        if fate == "transient":
            raise Transient("fake", "429", retry_after=1)
        if fate == "lost before":
            raise Unknown("fake", "500")
        if fate == "crash before":
            raise CrashError
        self.done.append(f"r-{len(self.done)}")
        self.listed_from = self.clock.now() + self.lag
        if fate == "lost after":
            raise Unknown("fake", "dropped reply")
        if fate == "crash after":
            raise CrashError
        return Done(self.done[-1], {}) if fate == "done" else Accepted(self.done[-1])

    def find(self, _: Effect) -> Outcome | None:
        listed = self.done and self.clock.now() >= self.listed_from
        return Done(self.done[-1], {}) if listed else None


@hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    fates=st.lists(FATES, max_size=8),
    pauses=st.lists(st.integers(0, 120), max_size=8),
    lag_s=st.integers(0, 89),  # listing later than the grace of 90 s would not be seen
)
def test_exactly_one_effect_under_any_sequence_of_failures(
    fates: list[Fate], pauses: list[int], lag_s: int, database: Database, settings: Settings
) -> None:
    clock = ManualClock()
    provider = FakeProvider(fates, clock, lag_s)
    key = f"random/{next(_keys)}"
    for pause in [*pauses, *[100] * 20]:
        locks = ProcessLocks(database)  # a new process each time
        effects = Effects(database, locks, clock, settings)
        (effect,) = effects.intend([Intent("k", key, "fake", {}, None, timedelta(hours=1))])
        try:
            effect = effects.perform(effect, provider.call, provider.find)
        except (ProviderError, CrashError):
            clock.advance(timedelta(seconds=pause))
        else:
            assert effect.remote_id == "r-0"
        finally:
            locks.close()
        if effect.remote_id is not None:
            break
    else:
        pytest.fail("it never came to an end")
    assert provider.done == ["r-0"]
