"""`vixen avatar`: describe, list, show, compare and archive avatars; record consents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from vixen_pipeline.cli.console import (
    JsonOption,
    line,
    note,
    print_json,
    print_table,
    services_for_command,
)
from vixen_pipeline.login import login_name

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

Key = Annotated[str, typer.Argument(metavar="KEY", help="niche:handle, e.g. fitness:luna.")]


def register(app: typer.Typer) -> None:
    """Add `vixen avatar`."""
    group = typer.Typer(no_args_is_help=True, help="Avatars: add, list, show, compare, archive.")
    group.command("add")(add)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("similar")(similar)
    group.command("archive")(archive)
    group.command("schema")(schema)
    consent = typer.Typer(no_args_is_help=True, help="Consents to a real person's likeness.")
    consent.command("add")(consent_add)
    consent.command("list")(consent_list)
    group.add_typer(consent, name="consent")
    app.add_typer(group, name="avatar")


def add(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Specs in YAML or JSON, one avatar each."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Add avatars, or change them: all files are taken, or none and every problem is named.

    Adding the same spec again changes nothing. A changed spec is a new version; what was made from
    the parts that changed is then made again.
    """
    from vixen_pipeline.identity.spec_files import add_files

    with services_for_command() as services:
        landed = add_files(services, files)
    if as_json:
        print_json([asdict(item) for item in landed])
        return
    words = {"added": "added", "updated": "changed", "unchanged": "unchanged, nothing to do"}
    for item in landed:
        line(f"{item.key}: {words[item.outcome]} (version {item.version}, {item.source})")
    if any(item.outcome != "unchanged" for item in landed):
        keys = " ".join(f"--avatar {item.key}" for item in landed)
        note("A running `vixen up` goes on from here. Without one:")
        note(f"  vixen materialize avatars+ {keys}")


def list_(
    niche: Annotated[str | None, typer.Option(help="Only this niche.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Archived ones too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List avatars with their stage and what they have cost."""
    from vixen_pipeline.identity.registry_listing import list_avatars

    with services_for_command() as services:
        lines = list_avatars(services, niche=niche, archived=all_)
    if as_json:
        print_json([asdict(item) for item in lines])
        return
    if not lines:
        note("No avatars. `vixen avatar add examples/avatars/*.yaml` adds some.")
        return
    print_table(
        ("avatar", "name", "status", "since", "version", "usd"),
        [(i.avatar, i.name, i.status, i.since, i.spec_version, i.usd) for i in lines],
    )


def show(key: Key, as_json: JsonOption = False) -> None:
    """Show one avatar: its stage, what it waits for and since when, cost, persona, pieces."""
    with services_for_command() as services:
        document = _document(services, key)
    if as_json:
        print_json(document)
        return
    for part in (document, document.get("content", {})):
        if not part.get("error"):
            part.pop("permanent", None)  # says something about an error only
    for name, value in document.items():
        _print(name, value)


def similar(
    key: Key,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """List the personas most like that of KEY, nearest first; near-duplicates are marked."""
    from vixen_pipeline.identity.persona_store import NEAR_DUPLICATE, similar_personas

    with services_for_command() as services:
        found = similar_personas(services, key, count)
    if as_json:
        print_json(
            [
                {
                    "avatar": item.key,
                    "similarity": round(item.similarity, 6),
                    "near_duplicate": item.near_duplicate,
                }
                for item in found
            ]
        )
        return
    if not found:
        note("There is no other persona.")
        return
    print_table(
        ("avatar", "similarity", f"near-duplicate (>= {NEAR_DUPLICATE})"),
        [(item.key, f"{item.similarity:.4f}", item.near_duplicate) for item in found],
    )


def archive(
    key: Key,
    undo: Annotated[bool, typer.Option("--undo", help="Bring it back.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Retire an avatar: nothing is made for it any more; its key and products stay."""
    from vixen_pipeline.identity.registry import set_archived

    with services_for_command() as services:
        changed = set_archived(services, key, archived=not undo)
    status = "active" if undo else "archived"
    if as_json:
        print_json({"avatar": key, "status": status, "changed": changed})
    else:
        line(f"{key}: {status}" + ("" if changed else " already"))


def schema() -> None:
    """Print the JSON Schema of a spec file, for editors and other tools."""
    from vixen_pipeline.identity.schema import schema_text

    typer.echo(schema_text(), nl=False)


def consent_add(
    reference: Annotated[str, typer.Argument(help="Name of the record; specs state it.")],
    person: Annotated[str, typer.Option(help="Full name of the person who consents.")],
    document: Annotated[Path, typer.Option(help="The signed document; its digest is kept.")],
    by: Annotated[str | None, typer.Option(help="Who records it; default: your login.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Record a person's consent to their likeness. A record is never changed."""
    from vixen_pipeline.identity.spec_consents import record_consent

    with services_for_command() as services:
        consent, new = record_consent(
            services,
            reference=reference,
            person_name=person,
            document=document,
            recorded_by=by or login_name(),
        )
    if as_json:
        print_json({**asdict(consent), "new": new})
    else:
        state = "recorded" if new else "on record already"
        line(f"{consent.reference}: consent of {consent.person_name} {state}")
        note(f"A spec states it as `likeness: {{consent: {consent.reference}}}`.")


def consent_list(as_json: JsonOption = False) -> None:
    """List the recorded consents."""
    from vixen_pipeline.identity.spec_consents import list_consents

    with services_for_command() as services:
        consents = list_consents(services)
    if as_json:
        print_json([asdict(item) for item in consents])
        return
    print_table(
        ("reference", "person", "document sha256", "recorded by", "recorded at"),
        [
            (c.reference, c.person_name, c.document_sha256, c.recorded_by, c.recorded_at)
            for c in consents
        ],
    )


def _document(services: Services, key: str) -> dict[str, Any]:
    """What `show` prints: the derived status first, then the spec's and the persona's own words."""
    from vixen_pipeline.content.status import content_statuses
    from vixen_pipeline.identity.persona_store import load_personas, nearest
    from vixen_pipeline.identity.registry import avatar_ref, not_found
    from vixen_pipeline.identity.registry_listing import list_avatars
    from vixen_pipeline.identity.status import avatar_status

    for landed in list_avatars(services):
        if landed.avatar == key and landed.status == "invalid":
            error = not_found(services, key)
            return {**asdict(landed), "error": error.message, "next_step": error.next_step}
        if landed.avatar == key and landed.status == "landed":
            return {
                **asdict(landed),
                "waits_for": f"`vixen up`, or `vixen materialize avatars --avatar {key}`",
            }
    avatar = avatar_ref(services, key)
    status = asdict(avatar_status(services, key))
    with services.database.begin() as session:
        persona = load_personas(session, [avatar]).get(avatar.id)
        neighbour = nearest(session, [avatar.id]).get(avatar.id)
    document: dict[str, Any] = {"avatar": key, "name": avatar.display_name, **status}
    document["spec_version"] = avatar.spec_version
    document["created_at"] = avatar.created_at
    if persona is not None:
        document["persona"] = {
            "biography": persona.persona.biography,
            "tone": persona.persona.tone,
            "traits": persona.persona.traits,
            "written_by": f"{persona.provider} {persona.model}",
            "nearest": neighbour.key if neighbour else None,
            "similarity": round(neighbour.similarity, 4) if neighbour else None,
        }
    content = asdict(content_statuses(services, [key])[key])
    del content["avatar"]
    document["content"] = content
    return document


def _print(name: str, value: object, indent: str = "") -> None:
    """`name: value`, lists joined, mappings indented; what is not there is left out."""
    if isinstance(value, dict):
        line(f"{indent}{name}:")
        for inner, item in cast("dict[str, object]", value).items():
            _print(inner, item, indent + "  ")
    elif isinstance(value, (list, tuple)):
        items = cast("Sequence[object]", value)
        line(f"{indent}{name}: {'; '.join(map(str, items))}")
    elif value is not None:
        line(f"{indent}{name}: {value}")
