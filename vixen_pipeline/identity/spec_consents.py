"""Recorded consents to the likeness of a real person. Belongs here: recording and reading them.

Does not: the documents themselves: the record keeps the digest of the signed file, the file stays
with whoever answers for it. A record is never changed; a reference names one for ever.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from vixen_pipeline.db.models import LikenessConsent
from vixen_pipeline.errors import InvalidInput

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


@dataclass(frozen=True, slots=True)
class Consent:
    """One record. `document_sha256` is the hex digest of the signed file."""

    reference: str
    person_name: str
    document_sha256: str
    recorded_by: str
    recorded_at: datetime


def consents_on_record(session: Session) -> dict[str, str]:
    """The person's name by the reference of each recorded consent."""
    rows = session.execute(select(LikenessConsent.reference, LikenessConsent.person_name))
    return {row.reference: row.person_name for row in rows}


def record_consent(
    services: Services, *, reference: str, person_name: str, document: Path, recorded_by: str
) -> tuple[Consent, bool]:
    """Record the consent that `document` holds; the record, and whether it is new.

    Raises InvalidInput for an unreadable or empty document, missing texts, and for a reference
    that names another person or document already.
    """
    texts = {"reference": reference, "person": person_name, "recorded by": recorded_by}
    problems = [
        f"{name}: is empty or too long; allowed: 1 to 80 characters"
        for name, text in texts.items()
        if not 1 <= len(text.strip()) <= 80
    ]
    sha256 = ""
    try:
        with document.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if document.stat().st_size == 0:
            problems.append(f"{document}: is empty; allowed: the signed document")
    except OSError as error:
        problems.append(f"{document}: cannot be read: {error.strerror or error}")
    if problems:
        raise InvalidInput("consent", problems, next_step="Nothing was recorded.")
    return _insert(services, reference.strip(), person_name.strip(), sha256, recorded_by.strip())


def list_consents(services: Services) -> list[Consent]:
    """All records, oldest first."""
    with services.database.begin() as session:
        rows = session.scalars(select(LikenessConsent).order_by(LikenessConsent.id))
        return [_consent(row) for row in rows]


def _insert(
    services: Services, reference: str, person_name: str, sha256: str, recorded_by: str
) -> tuple[Consent, bool]:
    with services.database.begin() as session:
        inserted = session.execute(
            insert(LikenessConsent)
            .values(
                reference=reference,
                person_name=person_name,
                document_sha256=sha256,
                recorded_by=recorded_by,
                recorded_at=services.clock.now(),
            )
            .on_conflict_do_nothing()
            .returning(LikenessConsent.id)
        ).first()
        row = session.scalars(
            select(LikenessConsent).where(LikenessConsent.reference == reference)
        ).one()
        if (row.person_name, row.document_sha256) != (person_name, sha256):
            raise InvalidInput(
                "consent",
                [f"reference: {reference!r} names a consent of {row.person_name} already"],
                next_step="Use another reference; a record never changes.",
            )
        return _consent(row), inserted is not None


def _consent(row: LikenessConsent) -> Consent:
    return Consent(
        row.reference, row.person_name, row.document_sha256, row.recorded_by, row.recorded_at
    )
