"""`vixen demo`: the whole main job on this machine, watched until it is done.

Belongs here: what the demo adds, when it is over, its JSON. Does not: any work of the pipeline: the
specs are landed as `vixen avatar add` lands them, and the sensors do the rest.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from vixen_pipeline.cli import console
from vixen_pipeline.errors import Busy, Unavailable, UserError

if TYPE_CHECKING:
    from vixen_pipeline.cli.demo_facts import AvatarProgress, DemoFacts
    from vixen_pipeline.services import Services
    from vixen_pipeline.settings import Settings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "avatars"
WATCH_EVERY_S = 0.5
STUCK_AFTER_S = 900.0
"""Without any progress for this long the demo gives up; every step has a far earlier deadline."""


def register(app: typer.Typer) -> None:
    """Add `demo`."""
    app.command()(demo)


def demo(
    avatars: Annotated[int, typer.Option(min=1, help="How many example avatars to run.")] = 3,
    pieces: Annotated[
        int | None,
        typer.Option(min=1, help="Stills per avatar; default: VIXEN_CONTENT_PIECES (50)."),
    ] = None,
    exit_when_done: Annotated[
        bool, typer.Option("--exit", help="Stop everything when done; exit 0 only if complete.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file.")
    ] = None,
) -> None:
    """Run the whole main job: example avatars get trained weights, and pieces ready to publish.

    Starts everything with sandbox providers (no account needed) unless settings say otherwise,
    shows progress, ends with a summary, and leaves the UI up until Ctrl-C.
    """
    files = _example_files(avatars)
    if pieces is not None:
        os.environ["VIXEN_CONTENT_PIECES"] = str(pieces)  # for all processes that are started
    begun = time.monotonic()
    with _running() as supervisor:
        with console.services_for_command() as services:
            keys = _land(services, files)
            complete = _watch(services, keys)
            seconds = time.monotonic() - begun
            _report(services, keys, seconds, complete=complete, json_file=json_file)
        if not exit_when_done and supervisor is not None:
            console.note("\nEverything stays up. Press Ctrl-C to stop it.")
            supervisor.wait()
    if not complete:
        raise typer.Exit(1)


def _example_files(count: int) -> list[Path]:
    files = sorted(EXAMPLES.glob("*.yaml"))
    if len(files) < count:
        raise UserError(
            f"there are {len(files)} example avatars, not {count}.",
            next_step=f"Ask for at most {len(files)}, or add your own with `vixen avatar add`.",
        )
    return files[:count]


@contextmanager
def _running() -> Generator[Any]:
    """Start everything, or use what already runs in this folder (then nothing is stopped)."""
    from vixen_pipeline.runtime.supervisor import Supervisor

    supervisor = Supervisor(console.settings_for_command(), on_event=console.note)
    try:
        supervisor.start()
    except Busy:
        console.note("Using what `vixen up` already runs in this folder, with its settings.")
        yield None
        return
    try:
        yield supervisor
    finally:
        supervisor.stop()


def _land(services: Services, files: Sequence[Path]) -> list[str]:
    from vixen_pipeline.identity.spec_files import add_files

    return [result.key for result in add_files(services, files)]


def _watch(services: Services, keys: list[str]) -> bool:
    """Show progress until every avatar has its pieces (True), or one cannot get them (False)."""
    from vixen_pipeline.cli.demo_facts import progress
    from vixen_pipeline.cli.demo_view import LiveView

    last: list[AvatarProgress] = []
    changed = time.monotonic()
    with LiveView(keys, services.settings.dataset_images) as view:
        while True:
            try:
                with services.database.begin() as session:
                    rows = progress(session, keys)
            except Unavailable:
                rows = last  # whoever runs it starts it again; STUCK_AFTER_S ends the wait
            view.show(rows)
            if len(rows) == len(keys) and all(row.complete for row in rows):
                return True
            if len(rows) == len(keys) and all(row.complete or row.permanent for row in rows):
                return False
            if rows != last:
                last, changed = rows, time.monotonic()
            elif time.monotonic() - changed > STUCK_AFTER_S:
                console.note(f"Nothing has moved for {STUCK_AFTER_S:.0f} s: giving up.")
                return False
            time.sleep(WATCH_EVERY_S)


def _report(
    services: Services,
    keys: list[str],
    seconds: float,
    *,
    complete: bool,
    json_file: Path | None,
) -> None:
    from vixen_pipeline.cli.demo_facts import facts
    from vixen_pipeline.cli.demo_view import show_summary

    with services.database.begin() as session:
        found = facts(session, keys)
    links = _links(services.settings, keys)
    show_summary(found, links, seconds, complete=complete)
    if json_file is not None:
        document = _document(found, links, seconds, complete=complete)
        json_file.write_text(json.dumps(document, indent=2) + "\n")


def _links(settings: Settings, keys: Sequence[str]) -> dict[str, str]:
    base = settings.dagster_url
    partition = f"?view=partitions&partition={quote(keys[0], safe='')}"
    return {
        "lineage": f"{base}/locations/vixen/asset-groups/content/lineage",
        "runs": f"{base}/runs",
        "dataset": f"{base}/assets/training_datasets{partition}",
        "pieces": f"{base}/assets/content_pieces{partition}",
    }


def _document(
    found: DemoFacts, links: Mapping[str, str], seconds: float, *, complete: bool
) -> dict[str, object]:
    """The demo's JSON (public contract). Amounts in USD are numbers with four decimals."""
    return {
        "complete": complete,
        "seconds": round(seconds, 1),
        "stages": [
            {
                "name": stage.name,
                "avatars": stage.avatars,
                "items": stage.items,
                "seconds": None if stage.seconds is None else round(stage.seconds, 1),
                "usd": _number(stage.usd),
            }
            for stage in found.stages
        ],
        "avatars": [
            {
                "avatar": row.avatar,
                "status": row.status,
                "images_made": row.measured,
                "images_rejected": row.measured - row.accepted,
                "images_accepted": row.accepted,
                "pieces": row.ready,
                "posts": 0,
                "trials": 0,
                "mrr_minor": 0,
                "usd": _number(found.usd_by_avatar.get(row.avatar, Decimal(0))),
            }
            for row in found.progress
        ],
        "usd_by_provider": {name: _number(usd) for name, usd in found.usd_by_provider.items()},
        "links": dict(links),
    }


def _number(usd: Decimal) -> float:
    return float(round(usd, 4))
