"""Partitions. Belongs here: the one partitions definition. Does not: who adds keys to it.

A key is `niche:handle` and never changes or goes away: avatars are retired by status. There is
no avatar × day product; days are rows inside an avatar's partition.
"""

from __future__ import annotations

import dagster as dg

AVATARS = "avatars"

avatar_partitions = dg.DynamicPartitionsDefinition(name=AVATARS)


def add_missing(instance: dg.DagsterInstance, keys: list[str]) -> list[str]:
    """Add those of `keys` that are no partition yet; returns them. Safe from many processes."""
    known = set(instance.get_dynamic_partitions(AVATARS))
    new = [key for key in dict.fromkeys(keys) if key not in known]
    if new:
        instance.add_dynamic_partitions(AVATARS, new)
    return new
