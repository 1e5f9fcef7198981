"""`vixen effects`: what was done to the outside world, and what is not known to be done."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vixen_pipeline.cli.console import (
    JsonOption,
    line,
    note,
    print_json,
    print_table,
    services_for_command,
)
from vixen_pipeline.errors import Unknown, UserError, VixenError

if TYPE_CHECKING:
    from vixen_pipeline.effects import EffectListing
    from vixen_pipeline.services import Services


def register(app: typer.Typer) -> None:
    """Add `vixen effects`."""
    group = typer.Typer(
        no_args_is_help=True, help="Acts at providers: list, show, read back what is not known."
    )
    group.command("list")(list_)
    group.command("show")(show)
    group.command("reconcile")(reconcile)
    app.add_typer(group, name="effects")


def list_(
    state: Annotated[
        str | None, typer.Option(help="intended, dispatched, confirmed, failed or unknown.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    avatar: Annotated[str | None, typer.Option(help="Only of this avatar, niche:handle.")] = None,
    key: Annotated[str | None, typer.Option(help="Part of the key.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Past their deadline.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List effects, newest first."""
    with services_for_command() as services:
        found = services.effects.search(
            state=state,
            kind=kind,
            provider=provider,
            avatar=avatar,
            key_part=key,
            overdue=overdue,
            limit=limit,
        )
    if as_json:
        print_json([_document(item) for item in found])
        return
    if not found:
        note("No effects.")
        return
    print_table(
        ("id", "kind", "avatar", "state", "remote id", "tries", "deadline", "late", "error"),
        [
            (
                item.effect.id,
                item.effect.kind,
                item.avatar,
                item.effect.state,
                item.effect.remote_id,
                item.effect.attempts,
                item.effect.deadline,
                item.overdue,
                item.effect.error,
            )
            for item in found
        ],
    )


def show(
    effect: Annotated[int, typer.Argument(metavar="ID", help="Number from `vixen effects list`.")],
    as_json: JsonOption = False,
) -> None:
    """Show one effect with its request and result."""
    with services_for_command() as services:
        document = _document(services.effects.show(effect))
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        line(f"{name:<14} {'' if value is None else value}")


def reconcile(
    effects: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="Which effects.")
    ] = None,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="All whose outcome is unknown or that are overdue.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask the provider what became of effects whose outcome is not known; never repeats the act.

    Exit code 1 when the outcome of one of them is still not known.
    """
    if bool(effects) == unknown:
        raise UserError("say which effects.", next_step="Their ids, or --unknown.")
    with services_for_command() as services:
        ids = effects or _doubtful(services)
        results = [_reconcile_one(services, effect_id) for effect_id in ids]
    if as_json:
        print_json(results)
    else:
        for result in results:
            line(f"{result['id']}: {result['error'] or result['state']}")
        if not results:
            note("No effect is in doubt.")
    if any(result["error"] for result in results):
        raise typer.Exit(1)


def _doubtful(services: Services) -> list[int]:
    unknown = services.effects.search(state="unknown", limit=1000)
    ids = {item.effect.id for item in unknown} | {e.id for e in services.effects.overdue(1000)}
    return sorted(ids)


def _reconcile_one(services: Services, effect_id: int) -> dict[str, Any]:
    """One effect's new state; its failure must not keep the others from being asked."""
    from vixen_pipeline.content.reconcilers import CONTENT_RECONCILERS
    from vixen_pipeline.effects import Reconcilers
    from vixen_pipeline.identity.reconcilers import IDENTITY_RECONCILERS
    from vixen_pipeline.services import Services

    registry = Reconcilers[Services](IDENTITY_RECONCILERS, CONTENT_RECONCILERS)
    try:
        effect = registry.reconcile(services, services.effects, effect_id)
    except Unknown as error:
        return {"id": effect_id, "state": "unknown", "error": f"still not known: {error}"}
    except VixenError as error:
        return {"id": effect_id, "state": None, "error": str(error)}
    return {"id": effect_id, "state": effect.state, "error": None, "remote_id": effect.remote_id}


def _document(item: EffectListing) -> dict[str, Any]:
    document = asdict(item)
    effect: dict[str, Any] = document.pop("effect")
    return {**effect, **document}
