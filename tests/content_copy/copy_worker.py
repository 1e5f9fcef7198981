"""A process that writes copy against the sandbox and kills itself at a named point.

Run by test_copy_killed: `python copy_worker.py POINT COUNT KEY...`: at the COUNTth time that POINT
is passed. Settings come from VIXEN_*.
"""

from __future__ import annotations

import os
import signal
import sys

from vixen_pipeline.content import copywriting
from vixen_pipeline.effects import Effects
from vixen_pipeline.services import Services
from vixen_pipeline.settings import load_settings
from vixen_pipeline.stages import no_progress


def main() -> None:
    wanted, count, keys = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    passed = 0

    def die(point: str) -> None:
        nonlocal passed
        passed += point == wanted
        if passed >= count:
            os.kill(os.getpid(), signal.SIGKILL)

    with Services(load_settings()) as services:
        services.__dict__["effects"] = Effects(
            services.database, services.locks, services.clock, services.settings, checkpoint=die
        )
        insert, moderate, choose = (
            copywriting.insert_copies, copywriting.moderate, copywriting.choose,
        )  # fmt: skip

        def insert_then_die(*args: object) -> None:
            insert(*args)  # type: ignore[arg-type]
            die("uncommitted")

        def moderate_then_die(*args: object) -> None:
            moderate(*args)  # type: ignore[arg-type]
            die("moderated")

        def choose_then_die(*args: object) -> None:
            choose(*args)  # type: ignore[arg-type]
            die("chosen")

        copywriting.insert_copies = insert_then_die
        copywriting.moderate = moderate_then_die
        copywriting.choose = choose_then_die
        for result in copywriting.run_content_copy(services, keys, no_progress):
            print(result.avatar, result.outcome, result.error)


if __name__ == "__main__":
    main()
