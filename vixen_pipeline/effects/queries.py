"""Reading effects. Belongs here: lookups for services and people. Not: changes of state."""

from __future__ import annotations

from vixen_pipeline.clock import Clock
from vixen_pipeline.db.session import Database
from vixen_pipeline.effects import repository
from vixen_pipeline.effects.model import Effect, EffectListing
from vixen_pipeline.errors import NotFound

_NEXT_STEP = "See `vixen effects list`."


class EffectQueries:
    """What can be asked of the effects table without changing it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def get(self, which: int | str) -> Effect:
        """By id or by key. Raises NotFound."""
        with self._database.begin() as session:
            if isinstance(which, int):
                effect = repository.get(session, which)
            else:
                found = repository.by_keys(session, [which]).get(which)
                effect = found[0] if found is not None else None
        if effect is None:
            raise NotFound(f"there is no effect {which}.", next_step=_NEXT_STEP)
        return effect

    def by_remote(self, provider: str, remote_id: str) -> Effect | None:
        """The effect that the provider knows as `remote_id`; None until that id was committed."""
        with self._database.begin() as session:
            return repository.by_remote(session, provider, remote_id)

    def overdue(self, limit: int = 100) -> list[Effect]:
        """Open effects past their deadline, most overdue first."""
        with self._database.begin() as session:
            return repository.overdue(session, self._clock.now(), limit)

    def search(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        provider: str | None = None,
        avatar: str | None = None,
        key_part: str | None = None,
        overdue: bool = False,
        limit: int = 100,
    ) -> list[EffectListing]:
        """Newest first. `avatar` is the partition key, `key_part` any part of the key."""
        wanted = repository.Wanted(
            state=state,
            kind=kind,
            provider=provider,
            avatar=avatar,
            key_part=key_part,
            overdue=overdue,
        )
        with self._database.begin() as session:
            return repository.listing(session, self._clock.now(), wanted, limit)

    def show(self, effect_id: int) -> EffectListing:
        """One effect with its avatar and times. Raises NotFound."""
        wanted = repository.Wanted(id=effect_id)
        with self._database.begin() as session:
            found = repository.listing(session, self._clock.now(), wanted, 1)
        if not found:
            raise NotFound(f"there is no effect {effect_id}.", next_step=_NEXT_STEP)
        return found[0]
