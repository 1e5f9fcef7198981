"""Landed specs that nobody has registered yet. Belongs here: which wait, which no longer validate.

Does not: registering (registry). What a spec may say grows stricter with the program: one that
was valid when it landed may not be any more. It is never dropped: it stays landed, named with its
problems, and is registered once it validates again or is replaced by a newer version.
"""

from __future__ import annotations

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from vixen_pipeline.db.models import LandedSpec
from vixen_pipeline.errors import InvalidInput
from vixen_pipeline.identity.spec import AvatarSpec
from vixen_pipeline.identity.spec_errors import describe_errors, show_path


class UnusableSpec(InvalidInput):
    """A landed spec that does not validate today; the message names every problem."""

    def __init__(self, row: LandedSpec, error: ValidationError) -> None:
        lines = [f"{show_path(path)}: {reason}" for path, reason in describe_errors(error)]
        super().__init__(
            f"version {row.version} of the spec of {row.avatar_key}",
            lines,
            next_step="Change the spec and `vixen avatar add` it again.",
        )
        self.message = f"{self.subject} no longer validates: {'; '.join(lines)}"


def spec_of(row: LandedSpec) -> AvatarSpec:
    """What the row says. Raises UnusableSpec."""
    try:
        return AvatarSpec.model_validate(row.document)
    except ValidationError as error:
        raise UnusableSpec(row, error) from error


def pending_specs(session: Session) -> list[LandedSpec]:
    """Specs that are not registered yet, oldest first."""
    query = select(LandedSpec).where(LandedSpec.registered_at.is_(None))
    return list(session.scalars(query.order_by(LandedSpec.id)))


def unusable_specs(session: Session) -> dict[str, UnusableSpec]:
    """By avatar key, why its newest landed spec cannot be registered."""
    newest = {row.avatar_key: row for row in pending_specs(session)}
    found: dict[str, UnusableSpec] = {}
    for key, row in newest.items():
        try:
            spec_of(row)
        except UnusableSpec as error:
            found[key] = error
    return found
