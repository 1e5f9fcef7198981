"""Money set aside before images are rendered. Belongs here: one reservation per avatar and purpose.

Does not: booking (render_rows.py). Everything that is outstanding is reserved before the first call
of it, so an avatar without the money for its plan spends nothing on a part of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from vixen_pipeline.content.render_orders import KINDS, Purpose, expected_usage
from vixen_pipeline.identity.registry import AvatarRef

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

LIFE = timedelta(hours=6)
"""Longer than images of many avatars queue. The next run of a killed one takes its reservation
over, because the key is the same."""
SLACK = 12
"""A reservation is lowered when so many images less are outstanding."""


@dataclass
class RenderBudget:
    """The reservations of one run of the renderer, by avatar; amounts are in images."""

    services: Services
    reserved: dict[str, int] = field(default_factory=dict[str, int])

    def cover(self, avatar: AvatarRef, purpose: Purpose, outstanding: int) -> None:
        """Set the money for all outstanding images aside. Raises BudgetExceeded."""
        key = f"{KINDS[purpose]}:{avatar.key}"
        held = self.reserved.get(key, 0)
        if outstanding <= held < outstanding + SLACK:
            return
        costs = self.services.costs
        costs.reserve(avatar.id, key, costs.quote(expected_usage(outstanding)), LIFE)
        self.reserved[key] = outstanding

    def release(self) -> None:
        for key in self.reserved:
            self.services.costs.release(key)
