"""A process that makes personas against the sandbox and kills itself at a named point.

Run by test_personas_killed: `python persona_worker.py POINT KEY...`; settings come from VIXEN_*.
"""

from __future__ import annotations

import os
import signal
import sys

from vixen_pipeline.effects import Effects
from vixen_pipeline.effects.service import Point
from vixen_pipeline.identity import personas
from vixen_pipeline.services import Services
from vixen_pipeline.settings import load_settings
from vixen_pipeline.stages import no_progress


def main() -> None:
    wanted, keys = sys.argv[1], sys.argv[2:]

    def die(point: Point | str) -> None:
        if point == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    with Services(load_settings()) as services:
        services.__dict__["effects"] = Effects(
            services.database, services.locks, services.clock, services.settings, checkpoint=die
        )
        embed, save = personas._embed, personas.save_personas

        def embed_then_die(*args: object) -> list[list[float]]:
            vectors = embed(*args)  # type: ignore[arg-type]
            die("embedded")
            return vectors

        def save_then_die(*args: object) -> None:
            save(*args)  # type: ignore[arg-type]
            die("uncommitted")

        personas._embed = embed_then_die
        personas.save_personas = save_then_die
        for result in personas.run_personas(services, keys, no_progress):
            print(result.avatar, result.outcome, result.error)


if __name__ == "__main__":
    main()
