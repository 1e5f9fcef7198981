"""Kept personas and their neighbours. Belongs here: every query on vixen.personas.

Does not: writing or judging them. A persona is current when its input digest is that of its
avatar's current spec; only current ones of the same embedding model are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from vixen_pipeline.db.models import Persona as PersonaRow
from vixen_pipeline.errors import NotFound
from vixen_pipeline.identity.persona_model import Persona
from vixen_pipeline.identity.registry import AvatarRef, avatar_ref

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

NEAR_DUPLICATE = 0.95
"""Cosine similarity from which two personas count as near-duplicates (docs/decisions)."""

# Filtered searches would otherwise end at the index's first candidates.
_EXACT_ENOUGH = text("SET LOCAL hnsw.iterative_scan = 'strict_order'")

_NEIGHBOURS = text(
    """
    SELECT mine.avatar_id, near.key, near.avatar_id AS neighbour_id, near.similarity
    FROM vixen.personas AS mine
    JOIN vixen.avatars AS self
      ON self.id = mine.avatar_id AND self.persona_digest = mine.input_digest
    CROSS JOIN LATERAL (
        SELECT avatars.key, other.avatar_id,
               1 - (other.embedding <=> mine.embedding) AS similarity
        FROM vixen.personas AS other
        JOIN vixen.avatars
          ON avatars.id = other.avatar_id AND avatars.persona_digest = other.input_digest
        WHERE other.avatar_id <> mine.avatar_id
          AND other.embedding_model = mine.embedding_model
        ORDER BY other.embedding <=> mine.embedding
        LIMIT :count
    ) AS near
    WHERE mine.avatar_id IN :avatar_ids
    ORDER BY mine.avatar_id, near.similarity DESC, near.key
    """
).bindparams(bindparam("avatar_ids", expanding=True))


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another avatar and the cosine similarity of the personas, -1..1."""

    avatar_id: int
    key: str
    similarity: float

    @property
    def near_duplicate(self) -> bool:
        return self.similarity >= NEAR_DUPLICATE


@dataclass(frozen=True, slots=True)
class StoredPersona:
    """The current persona of an avatar."""

    avatar_id: int
    persona: Persona
    provider: str
    model: str
    embedding_model: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewPersona:
    """A persona to be kept, with its embedding."""

    avatar: AvatarRef
    persona: Persona
    provider: str
    model: str
    embedding: Sequence[float]


def load_personas(session: Session, avatars: Sequence[AvatarRef]) -> dict[int, StoredPersona]:
    """The current personas of `avatars`, by avatar id; those without one are left out."""
    digests = {avatar.id: avatar.persona_digest for avatar in avatars}
    rows = session.scalars(select(PersonaRow).where(PersonaRow.avatar_id.in_(digests)))
    return {
        row.avatar_id: StoredPersona(
            row.avatar_id,
            Persona.model_validate(row.document),
            row.provider,
            row.model,
            row.embedding_model,
            row.created_at,
        )
        for row in rows
        if row.input_digest == digests[row.avatar_id]
    }


def save_personas(
    session: Session, personas: Sequence[NewPersona], embedding_model: str, now: datetime
) -> None:
    """Keep `personas` and note the nearest neighbour of each, in the caller's transaction.

    One that is there already stays: it was made from the same input.
    """
    for new in personas:
        session.execute(
            insert(PersonaRow)
            .values(
                avatar_id=new.avatar.id,
                input_digest=new.avatar.persona_digest,
                document=new.persona.document(),
                embedding=list(new.embedding),
                embedding_model=embedding_model,
                provider=new.provider,
                model=new.model,
                created_at=now,
            )
            .on_conflict_do_nothing()
        )
    found = nearest(session, [new.avatar.id for new in personas])
    for new in personas:
        neighbour = found.get(new.avatar.id)
        if neighbour is not None:
            session.execute(
                text(
                    "UPDATE vixen.personas SET neighbour_avatar_id = :neighbour,"
                    " neighbour_similarity = :similarity"
                    " WHERE avatar_id = :avatar AND input_digest = :digest"
                ),
                {
                    "neighbour": neighbour.avatar_id,
                    "similarity": neighbour.similarity,
                    "avatar": new.avatar.id,
                    "digest": new.avatar.persona_digest,
                },
            )


def nearest(session: Session, avatar_ids: Sequence[int]) -> Mapping[int, Neighbour]:
    """The nearest other persona of each avatar, as of now; none when there is no other."""
    return {
        avatar_id: neighbours[0]
        for avatar_id, neighbours in _neighbours(session, avatar_ids, 1).items()
    }


def similar_personas(services: Services, key: str, count: int = 10) -> list[Neighbour]:
    """The personas most like that of `key`, nearest first. Raises NotFound without a persona."""
    avatar = avatar_ref(services, key)
    with services.database.begin() as session:
        if avatar.id not in load_personas(session, [avatar]):
            raise NotFound(
                f"{key} has no persona yet.",
                next_step=f"`vixen materialize personas --avatar {key}` writes it.",
            )
        return _neighbours(session, [avatar.id], count).get(avatar.id, [])


def _neighbours(
    session: Session, avatar_ids: Sequence[int], count: int
) -> dict[int, list[Neighbour]]:
    if not avatar_ids:
        return {}
    session.execute(_EXACT_ENOUGH)
    rows: Sequence[Row[tuple[int, str, int, float]]] = session.execute(
        _NEIGHBOURS, {"avatar_ids": list(avatar_ids), "count": count}
    ).all()
    found: dict[int, list[Neighbour]] = {}
    for row in rows:
        found.setdefault(row.avatar_id, []).append(
            Neighbour(row.neighbour_id, row.key, float(row.similarity))
        )
    return found
