"""How each kind of effect of System 2 is read back, for `vixen effects reconcile`.

Belongs here: the table. Does not: reading back (render_calls.py, copy_call.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vixen_pipeline.content import copy_call
from vixen_pipeline.content.render_calls import find_call
from vixen_pipeline.content.render_orders import KINDS
from vixen_pipeline.effects import Reconciler

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

CONTENT_RECONCILERS: Mapping[str, Reconciler[Services]] = {
    KINDS["shot"]: find_call,
    KINDS["exam"]: find_call,
    copy_call.KIND: copy_call.read_back,
}
