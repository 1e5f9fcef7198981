"""What the stage `content_copy` says about an avatar: its checks and its metadata.

Belongs here: reading what is kept, as of now. Does not: changing anything. Limits and verdicts are
judged again here, so that a new limit shows on old captions.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from vixen_pipeline.content.copy_choosing import passes
from vixen_pipeline.content.copy_model import Caption, CopyBook
from vixen_pipeline.content.copy_rows import Figures, figures, load_books
from vixen_pipeline.content.platforms import limit_problems, platform_of
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.stage_run import StageRun
from vixen_pipeline.money import usd
from vixen_pipeline.settings import Settings
from vixen_pipeline.stages import Check, Meta, Outcome

_NOTHING = Figures(0, 0, 0, 0, None, 0, Decimal(0), None, None, "")


def report(run: StageRun, avatars: Sequence[AvatarRef], outcome: Outcome) -> None:
    """Give each of `avatars`, whose words are complete, its result."""
    if not avatars:
        return
    with run.services.database.begin() as session:
        books = load_books(session, avatars)
        sums = figures(session, books)
    for avatar in avatars:
        book = books[avatar.id]
        metadata = _metadata(run, book, sums.get(avatar.id, _NOTHING))
        run.complete(avatar, outcome, metadata, _checks(book, run.services.settings))


def _checks(book: CopyBook, settings: Settings) -> list[Check]:
    chosen = [caption for caption in book.captions if caption.chosen]
    wanted = sum(len(shot.platforms) for shot in book.shots.values())
    broken = [
        problem
        for caption in chosen
        for problem in limit_problems(
            platform_of(caption.platform, settings), caption.caption, caption.title
        )
    ]
    unseen = sum(1 for caption in chosen if caption.moderation is None)
    flagged = sum(1 for caption in chosen if caption.moderation is not None and not passes(caption))
    return [
        Check(
            "copy_complete",
            not book.places and len(chosen) == wanted > 0,
            f"{len(chosen)} of {wanted} captions are there.",
        ),
        Check(
            "copy_within_limits",
            not broken,
            "; ".join(broken[:5]) or "Every caption keeps to its platform's limits.",
        ),
        Check(
            "copy_moderated",
            None if unseen else not flagged,
            f"{unseen} captions were not moderated, {flagged} are refused."
            if unseen or flagged
            else "The moderator has seen every chosen caption and flags none.",
        ),
    ]


def _metadata(run: StageRun, book: CopyBook, sums: Figures) -> dict[str, Meta]:
    pieces = max(1, sums.pieces)
    tokens, cached = sums.input_tokens, sums.cached_tokens
    return {
        "sample": Meta("markdown", _sample(book)),
        "captions": Meta("int", sums.captions),
        "variants": Meta("int", sums.variants),
        "refused": Meta("int", sums.refused),
        "cut_off": Meta("int", sums.cut_off),
        "score_mean": Meta("float", sums.score_mean),
        "input_tokens_per_piece": Meta(
            "float", round(tokens / pieces, 1) if tokens is not None else None
        ),
        "cached_share": Meta("float", round((cached or 0) / tokens, 4) if tokens else None),
        "model": Meta("text", sums.models),
        "usd": Meta("usd", run.stage_cost(book.avatar)),
        "usd_per_piece": Meta("usd", usd(sums.usd / pieces)),
    }


def _sample(book: CopyBook) -> str:
    """The best caption of each platform, quoted."""
    best: dict[str, Caption] = {}
    for caption in book.captions:
        kept = best.get(caption.platform)
        if caption.chosen and (kept is None or (caption.score or 0) > (kept.score or 0)):
            best[caption.platform] = caption
    return "\n\n".join(
        f"**{name}**\n\n" + "\n".join(f"> {line}" for line in caption.caption.splitlines())
        for name, caption in sorted(best.items())
    )
