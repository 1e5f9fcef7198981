"""Which read-back belongs to which kind of effect, for reconciling one by command.

Belongs here: the registry. Does not: any read-back. Each system exports a mapping
`kind → reconciler`, and the composition at the edge (the command, the drain) joins them:

    registry = Reconcilers[Services](IDENTITY_RECONCILERS, CONTENT_RECONCILERS)
    registry.reconcile(services, services.effects, effect_id)

It is generic in what reconcilers need, so that this package never imports the services above it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from vixen_pipeline.effects.model import Effect, NotDone, Outcome
from vixen_pipeline.effects.service import Effects
from vixen_pipeline.errors import NotFound

Needs = TypeVar("Needs")

Reconciler = Callable[[Needs, Effect], Outcome | NotDone | None]
"""services, effect → what the provider says became of it; None: it does not list it (yet)."""


class Reconcilers(Generic[Needs]):
    """All known reconcilers. Raises ValueError when two systems claim one kind."""

    def __init__(self, *mappings: Mapping[str, Reconciler[Needs]]) -> None:
        self._by_kind: dict[str, Reconciler[Needs]] = {}
        for mapping in mappings:
            twice = self._by_kind.keys() & mapping.keys()
            if twice:
                raise ValueError(f"two reconcilers for {sorted(twice)}")
            self._by_kind.update(mapping)

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self._by_kind)

    def reconcile(self, needs: Needs, effects: Effects, effect_id: int) -> Effect:
        """Read one effect back and keep what the provider says; see `Effects.reconcile`."""
        effect = effects.get(effect_id)
        reconciler = self._by_kind.get(effect.kind)
        if reconciler is None:
            raise NotFound(
                f"effects of kind {effect.kind!r} cannot be read back by command.",
                next_step=f"Kinds that can: {', '.join(sorted(self._by_kind)) or 'none'}.",
            )
        return effects.reconcile(effect, lambda current: reconciler(needs, current))
