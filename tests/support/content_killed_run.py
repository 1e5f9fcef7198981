"""Runs a content stage in this process, which kills itself (-9) at a named point. A script.

Usage: python content_killed_run.py STAGE POINT KEY…
STAGE is a stage's name, or `chain` for all of them by content's own rounds. POINT is a checkpoint
of the effects (intended, dispatched, called, saved), with `:n` at the n-th time; or `never`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter


def main(stage: str, point: str, keys: list[str]) -> None:
    from vixen_pipeline.content.advance import advance
    from vixen_pipeline.content.stages_list import CONTENT_STAGES
    from vixen_pipeline.effects import Effects
    from vixen_pipeline.services import Services
    from vixen_pipeline.settings import load_settings
    from vixen_pipeline.stages import no_progress

    name, _, times = point.partition(":")
    reached: Counter[str] = Counter()
    counting = threading.Lock()

    def die_at(here: str) -> None:
        with counting:
            reached[here] += 1
            if here == name and reached[here] >= int(times or 1):
                os.kill(os.getpid(), signal.SIGKILL)

    base = Services(load_settings())
    effects = Effects(base.database, base.locks, base.clock, base.settings, checkpoint=die_at)
    services = Services(base.settings, database=base.database, effects=effects)
    if stage == "chain":
        advance(
            services, keys, CONTENT_STAGES, no_progress, lambda name, result: print(name, result)
        )
        return
    (spec,) = [each for each in CONTENT_STAGES if each.name == stage]
    for result in spec.run(services, keys, no_progress):
        print(result)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
