"""Everything we do to the outside world: intend, dispatch, confirm, reconcile.

Belongs here: the one way to act at a provider so that it happens at most once. Does not: providers,
money. Start at service.py.
"""

from vixen_pipeline.effects.model import (
    OPEN_STATES,
    Accepted,
    Done,
    Effect,
    EffectListing,
    EffectState,
    Failed,
    Intent,
    NotDone,
    Outcome,
)
from vixen_pipeline.effects.reconcilers import Reconciler, Reconcilers
from vixen_pipeline.effects.service import Call, Effects, Gate, Point, Reconcile

__all__ = [
    "OPEN_STATES",
    "Accepted",
    "Call",
    "Done",
    "Effect",
    "EffectListing",
    "EffectState",
    "Effects",
    "Failed",
    "Gate",
    "Intent",
    "NotDone",
    "Outcome",
    "Point",
    "Reconcile",
    "Reconciler",
    "Reconcilers",
]
