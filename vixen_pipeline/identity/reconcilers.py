"""How each kind of effect of System 1 is read back, for `vixen effects reconcile`.

Belongs here: the table. Does not: reading back (image_making.py, training_submit.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vixen_pipeline.effects import Reconciler
from vixen_pipeline.identity.image_making import find_image
from vixen_pipeline.identity.image_tasks import KINDS
from vixen_pipeline.identity.training_plan import KIND
from vixen_pipeline.identity.training_submit import find_training

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

IDENTITY_RECONCILERS: Mapping[str, Reconciler[Services]] = {
    KINDS["portrait"]: find_image,
    KINDS["dataset"]: find_image,
    KIND: find_training,
}
