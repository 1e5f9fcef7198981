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
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from vixen_pipeline.db.models import Avatar, LandedSpec
from vixen_pipeline.errors import InvalidInput, NotFound
from vixen_pipeline.identity.attempts import failures, record_failure
from vixen_pipeline.identity.landed_specs import UnusableSpec, unusable_specs
from vixen_pipeline.identity.registry_rows import (
    AVATARS,
    LandResult,
    handle_problems,
    land,
    register,
)
from vixen_pipeline.identity.spec import AvatarSpec, ParsedSpec
from vixen_pipeline.identity.spec_consents import consents_on_record
from vixen_pipeline.identity.spec_errors import show_path
from vixen_pipeline.identity.spec_policy import policy_problems

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


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
        landed = {i: land(session, parsed[i], services.clock.now()) for i in order}
    return [landed[i] for i in range(len(parsed))]


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

    One that does not validate today stays landed, and is a failure of its avatar's stage `avatars`.

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
            try:
                register(session, newest[key], now)
            except UnusableSpec as error:
                del newest[key]
                _keep_failure(services, session, key, error)
        session.execute(
            update(LandedSpec)
            .where(LandedSpec.id.in_([row.id for row in rows if row.avatar_key in newest]))
            .values(registered_at=now)
        )
    return list(newest)


def _keep_failure(services: Services, session: Session, key: str, error: UnusableSpec) -> None:
    """An avatar that exists is stopped by it; of a new one, the landed spec itself tells."""
    avatar_id = session.scalar(select(Avatar.id).where(Avatar.key == key))
    if avatar_id is None:
        return
    kept = failures(session, [avatar_id], AVATARS).get(avatar_id)
    if kept is None or kept.error != error.message:  # once, not each time that it is looked at
        record_failure(
            session, avatar_id, AVATARS, error.message, error.next_step, True, services.clock
        )


def avatar_refs(services: Services, keys: Sequence[str] | None = None) -> dict[str, AvatarRef]:
    """Registered avatars by key: those of `keys` that exist, or all (oldest first) for None."""
    query = select(Avatar).order_by(Avatar.id)
    if keys is not None:
        query = query.where(Avatar.key.in_(keys))
    with services.database.begin() as session:
        return {row.key: _ref(row) for row in session.scalars(query)}


def avatar_keys(services: Services) -> list[str]:
    """The keys of all registered avatars, archived ones too, oldest first."""
    with services.database.begin() as session:
        return list(session.scalars(select(Avatar.key).order_by(Avatar.id)))


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
        unusable = unusable_specs(session).get(key) if pending else None
    if unusable is not None:
        return NotFound(
            f"{key} is landed but cannot be registered: {unusable.message}.",
            next_step=unusable.next_step,
        )
    if pending:
        return NotFound(
            f"{key} is landed but not registered yet.",
            next_step="A running `vixen up` registers it, and so does "
            f"`vixen materialize avatars --avatar {key}`.",
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
