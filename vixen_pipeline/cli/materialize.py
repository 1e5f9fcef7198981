"""`vixen materialize`: make assets now, in a run of this machine, no daemon needed."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from vixen_pipeline.cli.console import JsonOption, services_for_command

SELECTION_HELP = (
    "Which assets, in Dagster's selection syntax: personas, personas+ (and all after it), "
    "*lora_weights (and all before it), group:identity, several with commas or and/or/not."
)

SelectionArgument = Annotated[str, typer.Argument(metavar="SELECTION", help=SELECTION_HELP)]
AvatarOption = Annotated[
    list[str] | None,
    typer.Option("--avatar", "-a", metavar="KEY", help="An avatar, niche:handle; repeatable."),
]
NicheOption = Annotated[
    str | None, typer.Option("--niche", metavar="NICHE", help="All active avatars of a niche.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All active avatars.")]


def register(app: typer.Typer) -> None:
    """Add `vixen materialize`."""
    app.command()(materialize)


def materialize(
    selection: SelectionArgument,
    avatar: AvatarOption = None,
    niche: NicheOption = None,
    everyone: AllOption = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what has failed for good before.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long to wait for trainings under way; 0: not at all. "
            "Default: as long as a training may take.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make assets of some avatars in one run here and now, and wait until they are there.

    Exit code 0 only if every chosen asset of every chosen avatar is complete. The run is in the
    UI like any other.
    """
    from vixen_pipeline.cli.avatar_choice import Choice, resolve_choice
    from vixen_pipeline.cli.ring import environment, run_module
    from vixen_pipeline.settings import require_settings

    choice = Choice.of(avatar, niche, everyone)
    with services_for_command() as services:
        settings = services.settings
        require_settings(settings)
        request = {
            "selection": selection,
            "avatars": resolve_choice(services, choice),
            "wait_seconds": settings.training_timeout_s if timeout is None else timeout,
            "retry_failed": retry_failed,
            "as_json": as_json,
            "dagster_url": settings.dagster_url,
        }
        env = environment(services)
    code = run_module("assets.materialize", json.dumps(request), env)
    if code:
        raise typer.Exit(code)
