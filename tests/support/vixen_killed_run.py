"""Runs one identity stage and kills its own process (-9) at a named point. Run as a script.

Usage: python vixen_killed_run.py STAGE AVATAR POINT
POINT is a checkpoint of the effects (intended, dispatched, called, saved) or `before_row`, just
before the product's row is committed; the first time it is reached, the process dies.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def main(stage: str, avatar: str, point: str) -> None:
    from vixen_pipeline.effects import Effects
    from vixen_pipeline.identity import image_filling, training_submit
    from vixen_pipeline.identity.datasets import run_training_datasets
    from vixen_pipeline.identity.trainings import run_lora_trainings
    from vixen_pipeline.services import Services
    from vixen_pipeline.settings import load_settings
    from vixen_pipeline.stages import no_progress

    def die_at(here: str) -> None:
        if here == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying(function: Any) -> Any:
        def wrapped(*arguments: Any) -> Any:
            die_at("before_row")
            return function(*arguments)

        return wrapped

    image_filling.save_image = dying(image_filling.save_image)
    training_submit.insert_training = dying(training_submit.insert_training)
    services = Services(load_settings())
    effects = Effects(
        services.database, services.locks, services.clock, services.settings, checkpoint=die_at
    )
    run = {"training_datasets": run_training_datasets, "lora_trainings": run_lora_trainings}[stage]
    run(Services(services.settings, database=services.database, effects=effects), [avatar],
        no_progress)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
