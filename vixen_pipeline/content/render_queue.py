"""What waits to be rendered, and how it is grouped into calls. Belongs here: the queue, no threads.

A call is of one avatar, purpose and weights (the endpoint loads a LoRA once per call). Full calls
go first, the avatars in turn; what is less than a call goes when nothing else waits, so that
repeated images of an avatar travel together.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from vixen_pipeline.content.render_orders import Purpose, RenderOrder

Group = tuple[int, Purpose, str]


@dataclass
class RenderQueue:
    """Orders in groups. `batch` is how many images one call takes."""

    batch: int
    groups: OrderedDict[Group, deque[RenderOrder]] = field(
        default_factory=OrderedDict[Group, deque[RenderOrder]]
    )

    def put(self, orders: Iterable[RenderOrder]) -> None:
        for order in orders:
            group = (order.avatar.id, order.purpose, order.weights.sha256)
            self.groups.setdefault(group, deque()).append(order)

    def take(self) -> list[RenderOrder]:
        """The next call's orders; empty when nothing waits."""
        if not self.groups:
            return []
        chosen = next((g for g, each in self.groups.items() if len(each) >= self.batch), None)
        if chosen is None:
            chosen = max(self.groups, key=lambda group: len(self.groups[group]))
        waiting = self.groups[chosen]
        taken = [waiting.popleft() for _ in range(min(self.batch, len(waiting)))]
        if waiting:
            self.groups.move_to_end(chosen)
        else:
            del self.groups[chosen]
        return taken

    def drop(self, avatar_id: int) -> None:
        """Forget what waits for one avatar."""
        for group in [group for group in self.groups if group[0] == avatar_id]:
            del self.groups[group]

    def waiting(self, avatar_id: int) -> int:
        """How many images wait for one avatar."""
        return sum(len(each) for group, each in self.groups.items() if group[0] == avatar_id)
