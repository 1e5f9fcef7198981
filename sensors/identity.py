"""System 1's sensor. Belongs here: which drain it starts. Does not: how (sensors/drains.py)."""

from __future__ import annotations

from assets.identity import IDENTITY, identity_drain
from sensors.drains import drain_sensor

identity_sensor = drain_sensor(IDENTITY, identity_drain)
