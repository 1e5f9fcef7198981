"""A process that claims events. Run as `python inbox_worker.py DATABASE_URL MODE`.

`drain`: claims in small batches until nothing is left and notes each event in public.work. `die`:
claims one event, does its work, and kills itself with SIGKILL before the transaction ends.
"""

from __future__ import annotations

import os
import signal
import sys

from sqlalchemy import text
from sqlalchemy.orm import Session

from vixen_pipeline.clock import SystemClock
from vixen_pipeline.db.session import Database
from vixen_pipeline.inbox import Inbox, LandedEvent

TABLE = "CREATE TABLE public.work (event text, worker int)"


def work(session: Session, event: LandedEvent) -> None:
    session.execute(
        text("INSERT INTO public.work VALUES (:event, :worker)"),
        {"event": event.event_id, "worker": os.getpid()},
    )


def main(url: str, mode: str) -> None:
    inbox = Inbox(Database(url), SystemClock())
    while events := inbox.claim("replicate", limit=7):
        for event in events:
            with inbox.handling(event) as session:
                work(session, event)
                if mode == "die":
                    session.flush()
                    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
