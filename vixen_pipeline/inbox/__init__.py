"""Landed webhook events: land, claim, mark handled, replay.

Belongs here: receipts of what arrived. Does not: what a delivery means. Start at service.py.
"""

from vixen_pipeline.inbox.listener import InboxListener
from vixen_pipeline.inbox.model import (
    CHANNEL,
    EventListing,
    EventState,
    LandedEvent,
    PendingSummary,
)
from vixen_pipeline.inbox.service import LAND_SQL, Handling, Inbox

__all__ = [
    "CHANNEL",
    "LAND_SQL",
    "EventListing",
    "EventState",
    "Handling",
    "Inbox",
    "InboxListener",
    "LandedEvent",
    "PendingSummary",
]
