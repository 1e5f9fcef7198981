"""Which variant is used. Belongs here: moderating variants, the rule that chooses one.

Does not: judging one caption alone (caption_judge), SQL (copy_rows). The rule: of the variants
that the moderator has passed and that repeat no caption chosen before (MOST_ALIKE), the one with
the greatest score; of equals the earlier round, then the lower number. Shots are gone through in
their order, and each choice counts as a caption that later ones must not repeat.

What the moderator has not seen is not chosen: moderation that is down leaves rows without a
verdict, and the next run goes on there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vixen_pipeline.content.caption_judge import MOST_ALIKE, overall
from vixen_pipeline.content.caption_likeness import LikenessIndex
from vixen_pipeline.content.copy_model import Caption, CopyBook
from vixen_pipeline.content.copy_rows import save_choice, save_moderation
from vixen_pipeline.db.base import Json
from vixen_pipeline.errors import Transient
from vixen_pipeline.pictures.quality import moderation_json, moderation_of
from vixen_pipeline.safety.moderation import refusal_reason

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

MODERATION_BATCH = 32
SLOT = "text"


def moderate(services: Services, captions: Sequence[Caption]) -> None:
    """Have one batch moderated and keep the verdicts. Raises when the moderator cannot tell."""
    texts = [caption.caption for caption in captions]
    with services.slots.hold(SLOT):
        results = services.moderator.moderate_texts(texts)
    if len(results) != len(texts):
        raise Transient("moderation", f"{len(texts)} texts sent, {len(results)} verdicts received")
    verdicts: dict[int, tuple[Json, str | None]] = {}
    for caption, result in zip(captions, results, strict=True):
        refusal = refusal_reason(result)
        reason = None if refusal is None else f"moderation: {refusal}"
        verdicts[caption.id] = (moderation_json(result), reason)
    with services.database.begin() as session:
        save_moderation(session, verdicts)


def unmoderated(book: CopyBook) -> list[list[Caption]]:
    """The variants without a verdict, in batches."""
    waiting = [caption for caption in book.captions if caption.moderation is None]
    return [
        waiting[start : start + MODERATION_BATCH]
        for start in range(0, len(waiting), MODERATION_BATCH)
    ]


def passes(caption: Caption) -> bool:
    """Whether the moderator has passed it, judged as of now; not measured is no pass."""
    stored = caption.moderation
    if stored is None or not isinstance(stored.get("flagged"), bool):
        return False
    return refusal_reason(moderation_of(stored)) is None


def choose(services: Services, book: CopyBook) -> None:
    """Choose for every place of `book` that has a usable variant; one transaction."""
    indexes: dict[tuple[int, str], LikenessIndex] = {}
    variants: dict[tuple[int, str], list[Caption]] = {}
    for caption in book.captions:
        variants.setdefault((caption.shot_id, caption.platform), []).append(caption)
        if caption.chosen:
            plan = book.shots[caption.shot_id].plan_id
            indexes.setdefault((plan, caption.platform), LikenessIndex()).add(caption.words)
    scored: dict[int, tuple[Json, float]] = {}
    repeats: dict[int, str] = {}
    chosen: list[int] = []
    for place in book.places:
        offered = variants.get((place.shot.id, place.platform), [])
        index = indexes.setdefault((place.shot.plan_id, place.platform), LikenessIndex())
        best: tuple[float, Caption] | None = None
        for caption in offered:
            alike = index.most_alike(caption.words)
            parts = {**caption.scores, "originality": round(1 - alike, 4)}
            scored[caption.id] = (parts, overall(parts))
            if alike > MOST_ALIKE and caption.reason is None:
                repeats[caption.id] = f"repeats: {alike:.2f} like another caption of this plan"
            elif alike <= MOST_ALIKE and passes(caption) and (
                best is None or scored[caption.id][1] > best[0]
            ):  # fmt: skip
                best = (scored[caption.id][1], caption)
        if best is not None:
            index.add(best[1].words)
            chosen.append(best[1].id)
    with services.database.begin() as session:
        save_choice(session, scored, repeats, chosen)
