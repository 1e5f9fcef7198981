"""`vixen inbox`: what has landed, what failed, once more."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from vixen_pipeline.cli.console import (
    JsonOption,
    confirm,
    line,
    note,
    print_json,
    print_table,
    services_for_command,
)
from vixen_pipeline.errors import UserError


def register(app: typer.Typer) -> None:
    """Add `vixen inbox`."""
    group = typer.Typer(no_args_is_help=True, help="Landed webhook events: list, show, replay.")
    group.command("list")(list_)
    group.command("show")(show)
    group.command("replay")(replay)
    app.add_typer(group, name="inbox")


def list_(
    state: Annotated[
        str | None, typer.Option(help="pending, claimed, handled or dead (dead letters).")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List events, newest first, without their bodies."""
    with services_for_command() as services:
        events = services.inbox.list(state=state, provider=provider, limit=limit)
    if as_json:
        print_json([{k: v for k, v in asdict(event).items() if k != "body"} for event in events])
        return
    if not events:
        note("No events.")
        return
    print_table(
        ("id", "provider", "event", "state", "tries", "received", "error"),
        [
            (e.id, e.provider, e.event_id, e.state, e.attempts, e.received_at, e.error)
            for e in events
        ],
    )


def show(
    event: Annotated[int, typer.Argument(metavar="ID", help="Number from `vixen inbox list`.")],
    body: Annotated[bool, typer.Option("--body", help="The delivery's own bytes too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one event. Its body may hold personal data and is printed only with --body."""
    with services_for_command() as services:
        found = services.inbox.show(event)
    document = asdict(found)
    if not body:
        document.pop("body")
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        shown = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        line(f"{name:<13} {'' if shown is None else shown}")


def replay(
    events: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="Dead letters to bring back.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,
    provider: Annotated[str | None, typer.Option(help="With --all: only of this one.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring dead letters back into the queue, with their full number of tries."""
    if bool(events) == all_:
        raise UserError("say which dead letters.", next_step="Their ids, or --all.")
    if all_:
        confirm("Replay every dead letter?", yes=yes)
    with services_for_command() as services:
        replayed = services.inbox.replay(events or None, provider=provider)
    if as_json:
        print_json({"replayed": list(replayed)})
    else:
        line(f"{len(replayed)} events are pending again")
