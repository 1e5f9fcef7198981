"""A process that uses provider slots. Run as `python slot_worker.py DATABASE_URL MODE [...]`.

`hold NAMESPACE KEY`: takes a lock and waits to be killed. `slot LIMIT`: takes a slot of `fake` and
waits to be killed. `work LIMIT THREADS ROUNDS`: takes slots, counting the holders in a table.
"""

from __future__ import annotations

import sys
import threading

from sqlalchemy import text

from vixen_pipeline.db.session import Database
from vixen_pipeline.locks import ProcessLocks, ProviderSlots

TABLE = "CREATE TABLE public.holders (id bigserial PRIMARY KEY, change int, at timestamptz)"


def note(database: Database, change: int) -> None:
    with database.begin() as session:
        session.execute(
            text("INSERT INTO public.holders (change, at) VALUES (:change, clock_timestamp())"),
            {"change": change},
        )


def work(database: Database, slots: ProviderSlots, rounds: int) -> None:
    for _ in range(rounds):
        with slots.hold("fake"):
            note(database, 1)
            note(database, -1)


def wait_to_be_killed() -> None:
    print("ready", flush=True)
    sys.stdin.read()


def main(url: str, mode: str, *arguments: str) -> None:
    database = Database(url)
    locks = ProcessLocks(database)
    if mode == "hold":
        assert locks.try_acquire(*arguments)
        wait_to_be_killed()
        return
    slots = ProviderSlots(locks, {"fake": int(arguments[0])})
    if mode == "slot":
        with slots.hold("fake"):
            wait_to_be_killed()
        return
    threads = [
        threading.Thread(target=work, args=(database, slots, int(arguments[2])))
        for _ in range(int(arguments[1]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
