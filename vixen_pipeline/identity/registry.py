"""Avatars: specs landed by people, registered as avatars with a key that never changes.

Belongs here: landing, registering, looking up, archiving; every query on avatars that other
stages need. Does not: files (spec_files, spec_parse), the stage (avatars), what an avatar waits
for (status).

Landing writes receipts (landing.avatar_specs), registering turns the newest receipt of each key
into a row of vixen.avatars. Both are one transaction: killed anywhere, nothing is half there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import Avatar, LandedSpec, StageAttempt
from vixen_pipeline.errors import Busy, InvalidInput, NotFound
from vixen_pipeline.identity.digests import appearance_digest, persona_digest, spec_digest
from vixen_pipeline.identity.spec import AvatarSpec, ParsedSpec
from vixen_pipeline.identity.spec_consents import consents_on_record
from vixen_pipeline.identity.spec_errors import show_path
from vixen_pipeline.identity.spec_policy import policy_problems

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

PERSONAS = "personas"

LandOutcome = Literal["added", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class LandResult:
    """What landing did with one spec. `version` counts the specs of this key, from 1."""

    key: str
    version: int
    outcome: LandOutcome
    source: str


@dataclass(frozen=True, slots=True)
class AvatarRef:
    """A registered avatar as the stages see it."""

    id: int
    key: str
    niche: str
    handle: str
    display_name: str
    status: str
    spec: AvatarSpec
    spec_version: int
    persona_digest: str
    appearance_digest: str
    created_at: datetime


def land_specs(services: Services, parsed: Sequence[ParsedSpec]) -> list[LandResult]:
    """Land all of `parsed` in one transaction, or none of them; results in the same order.

    Raises InvalidInput that names every problem: a handle that is taken, two specs with one
    handle, wording that the policy refuses (asked again here: this is the door).
    """
    with services.database.begin() as session:
        problems = [*_policy_lines(session, parsed), *handle_problems(session, parsed)]
        if problems:
            raise InvalidInput("avatar specs", problems, next_step="Nothing was written.")
        # In the order of handles, so that two of these at once cannot deadlock.
        order = sorted(range(len(parsed)), key=lambda i: parsed[i].spec.handle)
        landed = {i: _land(session, parsed[i], services.clock.now()) for i in order}
    return [landed[i] for i in range(len(parsed))]


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


def pending_landed_keys(session: Session) -> list[str]:
    """Keys with a landed spec that is not registered yet, oldest first."""
    rows = session.execute(
        select(LandedSpec.avatar_key)
        .where(LandedSpec.registered_at.is_(None))
        .order_by(LandedSpec.id)
    ).scalars()
    return list(dict.fromkeys(rows))


def register_landed(services: Services) -> list[str]:
    """Turn every landed spec into its avatar, in one transaction; the keys added or changed.

    Safe to run from several processes at once: rows are locked, and an older version never
    replaces a newer one.
    """
    now = services.clock.now()
    with services.database.begin() as session:
        rows = session.scalars(
            select(LandedSpec)
            .where(LandedSpec.registered_at.is_(None))
            .order_by(LandedSpec.id)
            .with_for_update()
        ).all()
        newest = {row.avatar_key: row for row in sorted(rows, key=lambda row: row.version)}
        for key in sorted(newest):
            _register(session, newest[key], now)
        session.execute(
            update(LandedSpec)
            .where(LandedSpec.id.in_([row.id for row in rows]))
            .values(registered_at=now)
        )
    return list(newest)


def avatar_refs(services: Services, keys: Sequence[str] | None = None) -> dict[str, AvatarRef]:
    """Registered avatars by key: those of `keys` that exist, or all (oldest first) for None."""
    query = select(Avatar).order_by(Avatar.id)
    if keys is not None:
        query = query.where(Avatar.key.in_(keys))
    with services.database.begin() as session:
        return {row.key: _ref(row) for row in session.scalars(query)}


def avatar_ref(services: Services, key: str) -> AvatarRef:
    """The avatar of `key`. Raises NotFound with the keys that come closest."""
    found = avatar_refs(services, [key]).get(key)
    if found is None:
        raise not_found(services, key)
    return found


def not_found(services: Services, key: str) -> NotFound:
    """The error for a key that has no avatar, with what to do."""
    import difflib

    with services.database.begin() as session:
        known = list(session.scalars(select(Avatar.key)))
        pending = key in pending_landed_keys(session)
    if pending:
        return NotFound(
            f"{key} is landed but not registered yet.",
            next_step="`vixen materialize avatars` registers it, and so does a running `vixen up`.",
        )
    near = difflib.get_close_matches(key, known, n=3)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return NotFound(
        f"no avatar has the key {key!r}.{hint}",
        next_step="`vixen avatar list` shows all; a key looks like fitness:luna.",
    )


def set_archived(services: Services, key: str, *, archived: bool) -> bool:
    """Archive (or bring back) an avatar; its key and products stay. True if that changed it."""
    avatar_ref(services, key)
    wanted = "archived" if archived else "active"
    with services.database.begin() as session:
        changed = session.execute(
            update(Avatar)
            .where(Avatar.key == key, Avatar.status != wanted)
            .values(status=wanted, updated_at=services.clock.now())
            .returning(Avatar.id)
        ).all()
    return bool(changed)


def _policy_lines(session: Session, parsed: Sequence[ParsedSpec]) -> list[str]:
    consents = consents_on_record(session)
    return [
        f"{item.source}: {show_path(path)}: {reason}"
        for item in parsed
        for path, reason in policy_problems(item.spec.document(), consents)
    ]


def _taken(item: ParsedSpec, owner: str) -> str:
    spec = item.spec
    reason = f"{item.source}: handle: {spec.handle!r} is taken by {owner}; allowed: a new handle"
    return f"{reason} (the niche of a handle never changes: another niche is another avatar)"


def _land(session: Session, item: ParsedSpec, now: datetime) -> LandResult:
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


def _register(session: Session, row: LandedSpec, now: datetime) -> None:
    spec = AvatarSpec.model_validate(row.document)
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
    if before.persona_digest != values["persona_digest"]:
        session.execute(of_avatar.where(StageAttempt.stage == PERSONAS))
    if before.appearance_digest != values["appearance_digest"]:
        session.execute(of_avatar.where(StageAttempt.stage != PERSONAS))


def _ref(row: Avatar) -> AvatarRef:
    return AvatarRef(
        id=row.id,
        key=row.key,
        niche=row.niche,
        handle=row.handle,
        display_name=row.display_name,
        status=row.status,
        spec=AvatarSpec.model_validate(row.spec),
        spec_version=row.spec_version,
        persona_digest=row.persona_digest,
        appearance_digest=row.appearance_digest,
        created_at=row.created_at,
    )
