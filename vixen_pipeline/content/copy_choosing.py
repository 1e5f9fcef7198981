"""Which variant is used. Belongs here: moderating variants, the rule that chooses one.

Does not: judging one caption alone (caption_judge), SQL (copy_rows). The rule: of the variants
that the moderator has passed, that repeat no caption chosen before (MOST_ALIKE) and that keep the
avatar policy, the one with the greatest score; of equals the earlier round, then the lower number.
Shots are gone through in their order, and each choice counts as a caption that later ones must not
repeat.

What the moderator has not seen is not chosen: moderation that is down leaves rows without a
verdict, and the next run goes on there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vixen_pipeline.content.caption_judge import MOST_ALIKE, Voice, breaches, overall
from vixen_pipeline.content.caption_likeness import LikenessIndex
from vixen_pipeline.content.copy_model import Caption, CopyBook
from vixen_pipeline.content.copy_rows import Verdict, save_moderation, save_verdicts
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


def choose(services: Services, book: CopyBook, voice: Voice) -> None:
    """Choose for every place of `book` that has a usable variant; one transaction."""
    indexes: dict[tuple[int, str], LikenessIndex] = {}
    variants: dict[tuple[int, str], list[Caption]] = {}
    for caption in book.captions:
        variants.setdefault((caption.shot_id, caption.platform), []).append(caption)
        if caption.chosen:
            plan = book.shots[caption.shot_id].plan_id
            indexes.setdefault((plan, caption.platform), LikenessIndex()).add(caption.words)
    verdicts: list[Verdict] = []
    for place in book.places:
        offered = variants.get((place.shot.id, place.platform), [])
        index = indexes.setdefault((place.shot.plan_id, place.platform), LikenessIndex())
        verdicts += _compared(offered, index, voice)
    with services.database.begin() as session:
        save_verdicts(session, verdicts)


def _compared(offered: Sequence[Caption], index: LikenessIndex, voice: Voice) -> list[Verdict]:
    """The verdicts on the variants of one place; the chosen one joins the index."""
    verdicts: dict[int, Verdict] = {}
    usable: list[Caption] = []
    for caption in offered:
        alike = index.most_alike(caption.words)
        parts = {**caption.scores, "originality": round(1 - alike, 4)}
        reason = caption.reason
        if alike > MOST_ALIKE and reason is None:
            reason = f"repeats: {alike:.2f} like another caption of this plan"
        verdicts[caption.id] = Verdict(caption.id, parts, overall(parts), reason, chosen=False)
        if alike <= MOST_ALIKE and passes(caption):
            usable.append(caption)
    # Sorting is stable: of equals the earlier one stays in front.
    for caption in sorted(usable, key=lambda c: -verdicts[c.id].score):
        broken = breaches(caption.caption, voice)
        verdict = verdicts[caption.id]
        if not broken:
            verdicts[caption.id] = replace(verdict, reason=None, chosen=True)
            index.add(caption.words)
            break
        verdicts[caption.id] = replace(verdict, reason="; ".join(broken))
    return list(verdicts.values())
