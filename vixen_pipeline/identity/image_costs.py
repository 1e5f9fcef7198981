"""What images and trainings cost. Belongs here: expected and billed usage of Replicate jobs.

Does not: prices (the price book), budgets (vixen_pipeline.costs). Expected seconds are used for
estimates and reservations; what is booked is what the provider billed.
"""

from __future__ import annotations

from decimal import Decimal

from vixen_pipeline.providers.ports import RemoteJob, Usage
from vixen_pipeline.providers.replicate_models import image_family, trainer_family

PROVIDER = "replicate"
IMAGE_SECONDS = Decimal(9)
"""Expected billed seconds of one image."""
TRAINING_SECONDS = Decimal(1800)
"""Expected billed seconds of one training of 1,000 steps: about 2.50 USD."""


def expected_images(model: str, count: int) -> list[Usage]:
    """The usage that `count` images of `model` are expected to bill."""
    return [_usage(image_family(model).sku, IMAGE_SECONDS * count)]


def expected_training(trainer: str, steps: int) -> list[Usage]:
    return [_usage(trainer_family(trainer).sku, TRAINING_SECONDS * steps / 1000)]


def billed(job: RemoteJob, *, otherwise: list[Usage]) -> list[Usage]:
    """What the provider billed for `job`.

    A success without a stated time is booked as expected (`otherwise`), never as free; a job that
    failed without one billed nothing.
    """
    if job.billed_seconds is None:
        return otherwise if job.status == "succeeded" else []
    sku = job.sku or f"{PROVIDER}:{otherwise[0].sku}"
    return [_usage(sku, job.billed_seconds)]


def _usage(sku: str, seconds: Decimal) -> Usage:
    return Usage(PROVIDER, sku.removeprefix(f"{PROVIDER}:"), seconds)
