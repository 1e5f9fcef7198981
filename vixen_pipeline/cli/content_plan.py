"""`vixen content plan` and `vixen content templates`: asking for plans, checking template files.

Belongs here: options, and how the answers look. Does not: planning (vixen_pipeline.content.plans),
the other commands of the group (content.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vixen_pipeline.cli.console import (
    JsonOption,
    line,
    note,
    print_json,
    print_table,
    services_for_command,
    settings_for_command,
)

if TYPE_CHECKING:
    from vixen_pipeline.content.plan_listing import PlanLine

GROUP = "content"


def register(app: typer.Typer) -> None:
    """Hang the commands on the group `content`, which is made here when nobody has made it."""
    group = next(
        (each.typer_instance for each in app.registered_groups if each.name == GROUP), None
    )
    if group is None:
        group = typer.Typer(no_args_is_help=True, help="Content: plans, pieces, review.")
        app.add_typer(group, name=GROUP)
    group.command("plan")(plan)
    group.command("templates")(templates)


def plan(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Avatar, e.g. fitness:luna.")],
    count: Annotated[int | None, typer.Option(help="Stills, 1 to 2000.")] = None,
    mix: Annotated[
        str | None, typer.Option(help="Shares, e.g. public=60,premium=30,exclusive=10.")
    ] = None,
    platforms: Annotated[str | None, typer.Option(help="Of instagram,tiktok.")] = None,
    notes: Annotated[
        str | None, typer.Option(help="Campaign notes; they choose templates and inform copy.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the plans, ask for none.")] = False,
    withdraw: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Take back a plan not planned yet.")
    ] = None,
    end: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Close an open plan with what it has.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for another plan of an avatar; what is left out is the setting's.

    It is planned by a running `vixen up`, or by `vixen materialize content_plans --avatar KEY`.
    """
    from vixen_pipeline.content.plan_listing import plan_lines
    from vixen_pipeline.content.plan_request import ask_for_plan, end_plan, withdraw_plan

    with services_for_command() as services:
        number: int | None = None
        if withdraw is not None:
            withdraw_plan(services, key, withdraw)
        elif end is not None:
            end_plan(services, key, end)
        elif not list_:
            number = ask_for_plan(
                services, key, count=count, mix=mix, platforms=platforms, notes=notes
            )
        lines = plan_lines(services, key)
    if as_json:
        shown = [each for each in lines if number in (None, each.number)]
        documents = [each.document() for each in shown]
        print_json(documents[0] if number is not None else documents)
    elif number is not None:
        asked = next(each for each in lines if each.number == number)
        line(f"{key}: plan {number} is asked for ({_said(asked)})")
        note("A running `vixen up` goes on from here. Without one:")
        note(f"  vixen materialize group:content --avatar {key}")
    elif withdraw is not None:
        line(f"{key}: plan {withdraw} is withdrawn")
    elif end is not None:
        line(f"{key}: plan {end} is ended with what it has")
    else:
        print_table(
            ("plan", "state", "asked for", "shots", "by", "notes"),
            [(p.number, p.state, _said(p), p.shots, p.requested_by, p.notes) for p in lines],
        )


def templates(
    niche: Annotated[str | None, typer.Option(help="Show what serves this niche.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the template files; every mistake is named with its file and line."""
    from vixen_pipeline.content.library import load_library

    library = load_library(settings_for_command().home)
    sets = [library.for_niche(niche)] if niche else list(library.niches.values())
    if as_json:
        print_json(
            {
                "templates": library.count(),
                "digest": library.digest,
                "niches": {
                    each.niche: {"also": each.also, "templates": [t.id for t in each.templates]}
                    for each in sets
                },
            }
        )
        return
    print_table(
        ("niche", "template", "place", "scene"),
        [(each.niche, t.name, t.place, t.scene) for each in sets for t in each.templates],
    )
    note(f"{library.count()} templates in {len(library.niches)} niches; no mistakes.")


def _said(plan: PlanLine) -> str:
    tiers = ", ".join(f"{count} {tier}" for tier, count in plan.mix.items())
    return f"{plan.count} stills: {tiers}; {' and '.join(plan.platforms)}"
