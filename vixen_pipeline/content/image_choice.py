"""Which image fills which shot. Belongs here: judging settled images, finding twins, selecting.

Does not: making images. A shot is filled by the first of its images that passes every threshold and
looks like no other selected image of the avatar, in its whole history: the nearest ones are asked
of the index (a few for each candidate, however long the history), then judged. Candidates that come
together are taken in the order of shots and attempts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from vixen_pipeline.db.models import RenderedImage
from vixen_pipeline.pictures.quality import (
    Measured,
    Thresholds,
    hash_bits,
    hash_distance,
    verdict,
)

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

NEAREST = 10
NEAREST_MANY = 400
"""How many neighbours are asked for; the second when others fill the first within the limit."""

_NEAREST = text(
    """
    SELECT q.id, n.id AS twin, n.avatar_id, n.distance
    FROM unnest(CAST(:ids AS bigint[]), CAST(:bits AS text[])) AS q(id, bits)
    CROSS JOIN LATERAL (
      SELECT i.id, i.avatar_id, i.phash_bits <~> CAST(q.bits AS bit(64)) AS distance
      FROM vixen.rendered_images i WHERE i.selected
      ORDER BY i.phash_bits <~> CAST(q.bits AS bit(64)) LIMIT :most
    ) n
    """
)
_SELECT = text(
    """
    UPDATE vixen.rendered_images AS i SET selected = true, duplicate_of = NULL
    WHERE i.id = ANY(:ids) AND i.refusal IS NULL AND NOT EXISTS (
      SELECT 1 FROM vixen.rendered_images o WHERE o.shot_id = i.shot_id AND o.selected)
    RETURNING i.id
    """
)
_DUPLICATE = text(
    """
    UPDATE vixen.rendered_images AS i SET duplicate_of = d.twin
    FROM unnest(CAST(:ids AS bigint[]), CAST(:twins AS bigint[])) AS d(id, twin)
    WHERE i.id = d.id AND i.duplicate_of IS DISTINCT FROM d.twin
    """
)


@dataclass(frozen=True, slots=True)
class Twin:
    """The image that looks the same, and how many of the 64 bits of the hash differ."""

    id: int
    bits: int


@dataclass
class Choice:
    """What became of candidates: selected rows, and those whose twin is there already."""

    selected: list[RenderedImage] = field(default_factory=list[RenderedImage])
    duplicates: dict[int, Twin] = field(default_factory=dict[int, Twin])


def reasons_of(row: RenderedImage, thresholds: Thresholds, scorer: str) -> list[str]:
    """Why an image does not fill its shot, judged now; empty when it does or could.

    A duplicate is a fact of when it came, so it is told here but not held against a candidate.
    """
    reasons = verdict(cast("Measured", row), thresholds, scorer=scorer)
    if row.refusal is not None:
        reasons.append(f"review: {row.refusal}")
    if not reasons and row.duplicate_of is not None and not row.selected:
        reasons.append(f"duplicate: of image {row.duplicate_of}")
    return reasons


def may_fill(row: RenderedImage, thresholds: Thresholds, scorer: str) -> bool:
    """Whether a settled image passes on its own: only a twin could keep it out."""
    if row.settled_at is None or row.refusal is not None:
        return False
    return not verdict(cast("Measured", row), thresholds, scorer=scorer)


def choose(
    services: Services,
    candidates: Sequence[RenderedImage],
    filled: frozenset[int],
    thresholds: Thresholds,
) -> Choice:
    """Select among `candidates` (one avatar's, passing on their own, in order), in one transaction.

    `filled` are the shots that have an image.
    """
    choice, taken = Choice(), set(filled)
    open_ = [row for row in candidates if row.shot_id not in taken]
    if not open_:
        return choice
    with services.database.begin() as session:
        twins = nearest_twins(session, open_, thresholds.duplicate_bits)
        for row in open_:
            if row.shot_id in taken:
                continue
            twin = twins.get(row.id) or _among(row, choice.selected, thresholds.duplicate_bits)
            if twin is None:
                choice.selected.append(row)
                taken.add(row.shot_id or 0)
            else:
                choice.duplicates[row.id] = twin
        kept = _write(session, choice)
    choice.selected = [row for row in choice.selected if row.id in kept]
    return choice


def _write(session: Session, choice: Choice) -> set[int]:
    kept: set[int] = set()
    if choice.selected:
        ids = [row.id for row in choice.selected]
        kept = set(session.execute(_SELECT, {"ids": ids}).scalars())
    if choice.duplicates:
        values = {
            "ids": list(choice.duplicates),
            "twins": [twin.id for twin in choice.duplicates.values()],
        }
        session.execute(_DUPLICATE, values)
    return kept


def nearest_twins(session: Session, rows: Sequence[RenderedImage], limit: int) -> dict[int, Twin]:
    """Of each row the nearest other selected image of its avatar within `limit` bits, by id."""
    measured = [row for row in rows if row.phash is not None]
    found, unsure = _ask(session, measured, limit, NEAREST)
    if unsure:
        # Other avatars' images fill the nearest places: look further, for these few.
        session.execute(text(f"SET LOCAL hnsw.ef_search = {NEAREST_MANY}"))
        again, _ = _ask(session, unsure, limit, NEAREST_MANY)
        found |= again
    return found


def _ask(
    session: Session, rows: Sequence[RenderedImage], limit: int, most: int
) -> tuple[dict[int, Twin], list[RenderedImage]]:
    """(twins by id, rows whose neighbours are all others' and all near)."""
    if not rows:
        return {}, []
    values = {
        "ids": [row.id for row in rows],
        "bits": [hash_bits(row.phash or 0) for row in rows],
        "most": most,
    }
    near: dict[int, int] = {}
    twins: dict[int, Twin] = {}
    by_id: Mapping[int, RenderedImage] = {row.id: row for row in rows}
    for id_, twin, avatar_id, distance in session.execute(_NEAREST, values):
        if distance > limit or twin == id_:
            continue
        near[id_] = near.get(id_, 0) + 1
        if avatar_id == by_id[id_].avatar_id and (id_ not in twins or distance < twins[id_].bits):
            twins[id_] = Twin(int(twin), int(distance))
    unsure = [row for row in rows if row.id not in twins and near.get(row.id, 0) >= most - 1]
    return twins, unsure


def _among(row: RenderedImage, others: Sequence[RenderedImage], limit: int) -> Twin | None:
    """The twin among images selected in the same moment."""
    for other in others:
        if row.phash is not None and other.phash is not None:
            bits = hash_distance(row.phash, other.phash)
            if bits <= limit:
                return Twin(other.id, bits)
    return None
