"""When to start again what died. Pure: times in, decisions out."""

from __future__ import annotations

FORGET_AFTER_S = 60.0
GIVE_UP_AFTER = 5
FIRST_DELAY_S = 0.5
MAX_DELAY_S = 15.0


class Deaths:
    """Counts quick deaths per process; the wait doubles, and after several in a minute it ends."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = {}
        self._again_at: dict[str, float] = {}

    def record(self, name: str, now: float) -> float | None:
        """Note a death; the seconds to wait, or None: it has died too often lately."""
        recent = [at for at in self._times.get(name, []) if now - at < FORGET_AFTER_S]
        self._times[name] = [*recent, now]
        if len(recent) + 1 >= GIVE_UP_AFTER:
            return None
        delay = min(FIRST_DELAY_S * 2 ** len(recent), MAX_DELAY_S)
        self._again_at[name] = now + delay
        return delay

    def waiting(self, name: str) -> bool:
        """Whether a new start is due or awaited."""
        return name in self._again_at

    def due(self, name: str, now: float) -> bool:
        """True once, when it is time to start again."""
        if name in self._again_at and now >= self._again_at[name]:
            del self._again_at[name]
            return True
        return False
