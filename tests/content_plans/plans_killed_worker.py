"""A process that plans content and kills itself at a named point.

Run by test_plans_killed: `python plans_killed_worker.py POINT KEY...`; settings come from VIXEN_*.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from vixen_pipeline.content import plan_judging, plans
from vixen_pipeline.services import Services
from vixen_pipeline.settings import load_settings
from vixen_pipeline.stages import no_progress


def main() -> None:
    wanted, keys = sys.argv[1], sys.argv[2:]

    def dying_after(point: str, function: Any) -> Any:
        def wrapped(*args: Any, **named: Any) -> Any:
            result = function(*args, **named)
            if point == wanted:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped

    judge = plan_judging.Judge
    plans.ask_for_first_plans = dying_after("asking", plans.ask_for_first_plans)
    judge._embedded = dying_after("embedded", judge._embedded)  # type: ignore[method-assign]
    judge._moderated = dying_after("moderated", judge._moderated)  # type: ignore[method-assign]
    plans.save_plan = dying_after("uncommitted", plans.save_plan)
    plans.plan_facts = dying_after("committed", plans.plan_facts)
    with Services(load_settings()) as services:
        for result in plans.run_content_plans(services, keys, no_progress):
            print(result.avatar, result.outcome, result.error)


if __name__ == "__main__":
    main()
