"""`vixen content`: list pieces, review them, find and verify files.

Belongs here: options, and how the answers look. Does not: asking for plans (content_plan.py), what
the commands do (vixen_pipeline.content).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vixen_pipeline.cli.console import (
    JsonOption,
    line,
    note,
    print_json,
    print_table,
    services_for_command,
)
from vixen_pipeline.errors import InvalidInput, NotImage
from vixen_pipeline.login import login_name

if TYPE_CHECKING:
    from vixen_pipeline.content.piece_finding import FoundPiece
    from vixen_pipeline.safety.provenance import Provenance

Key = Annotated[str, typer.Argument(metavar="KEY", help="Avatar, e.g. fitness:luna.")]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A JPEG, PNG or WebP picture, or an MP4.")
]
GROUP = "content"
MOST_BYTES = 200 * 1024 * 1024


def register(app: typer.Typer) -> None:
    """Add `vixen content`."""
    group = typer.Typer(no_args_is_help=True, help="Content: plans, pieces, review, provenance.")
    group.command("list")(list_)
    group.command("review")(review)
    group.command("find")(find)
    group.command("verify")(verify)
    app.add_typer(group, name=GROUP)


def list_(
    key: Key,
    state: Annotated[
        str | None, typer.Option(help="pending_review, auto_approved, approved or rejected.")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="public, premium or exclusive.")] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="still, carousel, slideshow or video.")
    ] = None,
    replaced: Annotated[bool, typer.Option("--replaced", help="Replaced ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """List an avatar's pieces, newest first; with --json, files, words and lineage too."""
    from vixen_pipeline.content.listing import PieceFilter, list_pieces

    _require_known(state, tier, format_)
    wanted = PieceFilter(state, tier, format_, replaced, limit)
    with services_for_command() as services:
        pieces = list_pieces(services, key, wanted)
    if as_json:
        print_json([asdict(piece) for piece in pieces])
        return
    if not pieces:
        note(_none_line(key, state, tier, format_))
        return
    print_table(
        ("id", "plan", "format", "state", "tier", "files", "usd", "made at", "why"),
        [
            (
                piece.id,
                piece.plan,
                piece.format,
                piece.state,
                piece.tier,
                " ".join(file.name for file in piece.files) or f"{len(piece.members)} stills",
                piece.usd,
                piece.created_at,
                piece.tier_reason or (piece.state_reason if piece.state != "auto_approved" else ""),
            )
            for piece in pieces
        ],
    )


def _none_line(key: str, state: str | None, tier: str | None, format_: str | None) -> str:
    if state == "pending_review" and tier is None and format_ is None:
        return "No piece waits for a person."
    if state or tier or format_:
        return f"No piece is like that. `vixen content list {key}` shows all."
    return f"No pieces. `vixen materialize group:content --avatar {key}` makes them."


def _require_known(state: str | None, tier: str | None, format_: str | None) -> None:
    from vixen_pipeline.db.models.pieces import PIECE_FORMATS, PIECE_STATES, TIERS

    problems = [
        f"--{name} {value}: one of {', '.join(known)}"
        for name, value, known in (
            ("state", state, PIECE_STATES),
            ("tier", tier, TIERS),
            ("format", format_, PIECE_FORMATS),
        )
        if value is not None and value not in known
    ]
    if problems:
        raise InvalidInput("filter", problems)


def review(
    key: Key,
    approve: Annotated[
        list[int] | None, typer.Option(metavar="ID", help="Approve this piece; repeatable.")
    ] = None,
    reject: Annotated[
        list[int] | None, typer.Option(metavar="ID", help="Reject this piece; repeatable.")
    ] = None,
    approve_all: Annotated[
        bool, typer.Option("--approve-all", help="Approve all that wait for a person.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why; needed to reject.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Have another made for each rejected piece.")
    ] = False,
    by: Annotated[str | None, typer.Option(help="Who decides; default: your login.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Decide on pieces; without options, list those that wait for a person.

    A rejected still takes the carousels and videos that show it with it. Replacements are made by
    a running `vixen up`, or by `vixen materialize 'group:content' --avatar KEY`.
    """
    from vixen_pipeline.content.review import Decisions, pending_ids
    from vixen_pipeline.content.review import review as decide

    if not approve and not reject and not approve_all:
        if reason is not None or replace:
            problem = "no piece is named: --approve ID, --reject ID or --approve-all"
            raise InvalidInput(f"review of {key}", [problem])
        list_(key, state="pending_review", as_json=as_json)
        return
    with services_for_command() as services:
        rejected = tuple(dict.fromkeys(reject or ()))
        waiting = pending_ids(services, key) if approve_all else []
        chosen = [*(approve or ()), *(each for each in waiting if each not in rejected)]
        decisions = Decisions(tuple(dict.fromkeys(chosen)), rejected, reason, replace)
        if approve_all and not chosen and not rejected:
            note("No piece waits for a person.")
            pieces = []
        else:
            pieces = decide(services, key, decisions, by=by or login_name())
    if as_json:
        print_json([asdict(piece) for piece in pieces])
        return
    for piece in pieces:
        why = f" ({piece.reason})" if piece.because else ""
        line(f"{piece.piece_id} {piece.format}: {piece.state}{why}")
    if replace:
        note("A running `vixen up` makes the replacements. Without one:")
        note(f"  vixen materialize group:content --avatar {key}")


def find(file: FileArgument, as_json: JsonOption = False) -> None:
    """Say which piece a picture is, even re-encoded, shrunk or cut; exit code 1 when none."""
    from vixen_pipeline.content.piece_finding import find_piece

    data = _read(file)
    with services_for_command() as services, _naming(file):
        found = find_piece(services, data)
    if as_json:
        print_json([asdict(piece) for piece in found])
    else:
        for piece in found:
            line(_found_line(piece))
    if not found:
        note(f"{file.name} is none of the pieces on record.")
        raise typer.Exit(1)


def _found_line(piece: FoundPiece) -> str:
    how = {
        "exact": "the very file",
        "credentials": "by its intact Content Credentials",
        "looks": f"by its looks, likeness {piece.likeness:.3f}",
    }[piece.how]
    what = f"piece {piece.piece_id} ({piece.format} {piece.file}, {piece.state})"
    return f"{piece.avatar}: {what}, {how}"


def verify(file: FileArgument, as_json: JsonOption = False) -> None:
    """Read a file's Content Credentials and say whether it is unchanged since it was signed.

    Exit code 1 when there are none or they do not hold.
    """
    from vixen_pipeline.content.piece_finding import provenance_of

    data = _read(file)
    with services_for_command() as services, _naming(file):
        found = provenance_of(services, data)
    if as_json:
        extra = {"development": found.development, "made_by_ai": found.made_by_ai} if found else {}
        print_json({"credentials": asdict(found) | extra if found else None})
    elif found is None:
        line(f"{file.name}: no Content Credentials")
    else:
        _print_provenance(file.name, found)
    if found is None or found.state == "invalid":
        raise typer.Exit(1)


def _print_provenance(name: str, found: Provenance) -> None:
    words = {
        "trusted": "unchanged since it was signed, by a certificate we trust",
        "valid": "unchanged since it was signed, by a certificate we do not know",
        "invalid": "NOT as it was signed",
    }
    line(f"{name}: {words[found.state]}")
    line(f"signed by: {found.signed_by}")
    if found.development:
        line("certificate: the development one, which nobody else trusts")
    line(f"made by AI: {'yes' if found.made_by_ai else 'it does not say so'}")
    for title, value in found.details.items():
        line(f"{title}: {value}")
    for ingredient in found.ingredients:
        line(f"made from: {ingredient}")
    for problem in found.problems:
        line(f"problem: {problem}")


@contextmanager
def _naming(file: Path) -> Generator[None]:
    """Raises InvalidInput (exit code 2: no answer) for a file that is no picture; 1 is "none"."""
    try:
        yield
    except NotImage as error:
        step = "A JPEG, PNG or WebP picture or an MP4 can be looked at."
        raise InvalidInput("file", [f"{file}: {error.message}"], next_step=step) from error


def _read(file: Path) -> bytes:
    """The file's bytes. Raises InvalidInput when it cannot be read or is too large."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise InvalidInput("file", [f"{file}: larger than {MOST_BYTES:,} bytes"])
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput("file", [f"{file}: {error.strerror}"]) from error
