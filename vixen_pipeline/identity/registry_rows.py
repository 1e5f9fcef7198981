"""The rows behind the registry: one landed spec, one avatar, who owns a handle.

Belongs here: statements on one spec or avatar within the caller's transaction. Does not:
transactions and lookups (registry). Unique indexes settle every race, never a check beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import Avatar, LandedSpec, StageAttempt
from vixen_pipeline.errors import Busy, InvalidInput
from vixen_pipeline.identity.digests import appearance_digest, persona_digest, spec_digest
from vixen_pipeline.identity.landed_specs import spec_of
from vixen_pipeline.identity.spec import ParsedSpec

AVATARS, PERSONAS = "avatars", "personas"

LandOutcome = Literal["added", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class LandResult:
    """What landing did with one spec. `version` counts the specs of this key, from 1."""

    key: str
    version: int
    outcome: LandOutcome
    source: str


def handle_problems(session: Session, parsed: Sequence[ParsedSpec]) -> list[str]:
    """One line per spec whose handle belongs to another avatar, here or in the database."""
    handles = {item.spec.handle for item in parsed}
    owners: dict[str, str] = {
        row.handle: row.avatar_key
        for row in session.scalars(
            select(LandedSpec).where(LandedSpec.handle.in_(handles), LandedSpec.version == 1)
        )
    }
    problems: list[str] = []
    first: dict[str, ParsedSpec] = {}
    for item in parsed:
        spec = item.spec
        owner = owners.get(spec.handle)
        if owner is not None and owner != spec.key:
            problems.append(_taken(item, owner))
        earlier = first.setdefault(spec.handle, item)
        if earlier is not item and spec_digest(earlier.spec) != spec_digest(spec):
            problems.append(
                f"{item.source}: handle: {spec.handle!r} is also in {earlier.source}; "
                "allowed: each handle once"
            )
    return problems


def land(session: Session, item: ParsedSpec, now: datetime) -> LandResult:
    """Insert the next version unless the newest says the same; unique indexes settle races."""
    spec, digest = item.spec, spec_digest(item.spec)
    for _ in range(50):
        newest = session.scalars(
            select(LandedSpec)
            .where(LandedSpec.avatar_key == spec.key)
            .order_by(LandedSpec.version.desc())
            .limit(1)
        ).first()
        if newest is not None and newest.digest == digest:
            return LandResult(spec.key, newest.version, "unchanged", item.source)
        version = newest.version + 1 if newest else 1
        values: Json = {
            "avatar_key": spec.key,
            "niche": spec.niche,
            "handle": spec.handle,
            "version": version,
            "digest": digest,
            "document": spec.document(),
            "source": item.source,
            "landed_at": now,
        }
        statement = insert(LandedSpec).values(values).on_conflict_do_nothing()
        if session.execute(statement.returning(LandedSpec.id)).first() is not None:
            outcome: LandOutcome = "updated" if newest else "added"
            return LandResult(spec.key, version, outcome, item.source)
        # Somebody else landed this handle meanwhile: either our key, or it is taken now.
        problems = handle_problems(session, [item])
        if problems:
            raise InvalidInput("avatar specs", problems, next_step="Nothing was written.")
    raise Busy(f"{spec.key} is being changed by others without end.", next_step="Try again.")


def register(session: Session, row: LandedSpec, now: datetime) -> None:
    """Make or update the avatar of `row`; an older version never replaces a newer one.

    Raises UnusableSpec, with nothing written, for a spec that does not validate today.
    """
    spec = spec_of(row)
    before = session.scalars(select(Avatar).where(Avatar.key == row.avatar_key)).first()
    values: Json = {
        "display_name": spec.name,
        "spec_id": row.id,
        "spec_version": row.version,
        "spec": row.document,
        "persona_digest": persona_digest(spec),
        "appearance_digest": appearance_digest(spec),
        "updated_at": now,
    }
    identity: Json = {"key": row.avatar_key, "niche": row.niche, "handle": row.handle}
    session.execute(
        insert(Avatar)
        .values(**identity, **values, created_at=now)
        .on_conflict_do_update(
            index_elements=[Avatar.key],
            set_=values,
            where=Avatar.spec_version < row.version,
        )
    )
    if before is not None:
        _forget_failures(session, before, values)


def _forget_failures(session: Session, before: Avatar, values: Json) -> None:
    """A stage that failed for good may be tried again once what it is made from has changed."""
    of_avatar = delete(StageAttempt).where(StageAttempt.avatar_id == before.id)
    session.execute(of_avatar.where(StageAttempt.stage == AVATARS))
    if before.persona_digest != values["persona_digest"]:
        session.execute(of_avatar.where(StageAttempt.stage == PERSONAS))
    if before.appearance_digest != values["appearance_digest"]:
        session.execute(of_avatar.where(StageAttempt.stage != PERSONAS))


def _taken(item: ParsedSpec, owner: str) -> str:
    spec = item.spec
    reason = f"{item.source}: handle: {spec.handle!r} is taken by {owner}; allowed: a new handle"
    return f"{reason} (the niche of a handle never changes: another niche is another avatar)"
