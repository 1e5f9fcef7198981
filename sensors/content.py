"""System 2's sensor. Belongs here: which drain it starts. Does not: how (sensors/drains.py)."""

from __future__ import annotations

from assets.content import CONTENT, content_drain
from sensors.drains import drain_sensor

content_sensor = drain_sensor(CONTENT, content_drain)
