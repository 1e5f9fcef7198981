"""TERM and HUP as KeyboardInterrupt, so that one way of stopping serves all three."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType


def interrupt_on_signals() -> Callable[[], None]:
    """Install it, in the main thread only; returns what puts the former handlers back."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    former = {
        number: signal.signal(number, _interrupt)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        # Whoever starts us with nohup, or in the background, had it ignored for a reason.
        if signal.getsignal(number) is not signal.SIG_IGN
    }

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    return restore


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
