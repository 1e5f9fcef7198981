"""The safety policy, applied to a spec. Belongs here: which field passes which door.

Does not: the policy itself (vixen_pipeline.safety). Works on the plain document, so that wording
is judged also where a spec is invalid for other reasons: all problems are reported at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from vixen_pipeline.identity.yaml_reader import FieldPath
from vixen_pipeline.safety.disclosure import disclosure_problem
from vixen_pipeline.safety.policy import Door, check_text

Consents = Mapping[str, str]
"""Recorded consents: the name of the person by the reference of the document."""

_LIMITS = {("personality", "hard_limits"), ("personality", "prohibited_topics")}
# Codes and references, checked by their own types.
_CODES = {("version",), ("locale",), ("languages",), ("time_zone",), ("prices",), ("likeness",)}


def policy_problems(document: object, consents: Consents) -> list[tuple[FieldPath, str]]:
    """The path and reason of each breach in the plain `document` of a spec.

    `consents` are all recorded ones; only the one that the spec declares allows anything.
    """
    reference = _declared_consent(document)
    found: list[tuple[FieldPath, str]] = []
    allowed: list[str] = []
    if reference is not None:
        person = consents.get(reference)
        if person is not None:
            allowed.append(person)
        else:
            reason = (
                f"no consent is recorded under {reference!r}; allowed: a recorded one "
                "(vixen avatar consent add)"
            )
            found.append((("likeness", "consent"), reason))
    for path, text in _texts(document, ()):
        if path[:1] in _CODES:
            continue
        door = Door.LIMIT if path[:2] in _LIMITS else Door.SPEC
        for violation in check_text(text, door, allowed_people=allowed):
            found.append((path, violation.message))
        if path == ("disclosure",) and (problem := disclosure_problem(text)):
            found.append((path, problem))
    return found


def _declared_consent(document: object) -> str | None:
    if not isinstance(document, Mapping):
        return None
    likeness = cast("Mapping[str, object]", document).get("likeness")
    if not isinstance(likeness, Mapping):
        return None
    reference = cast("Mapping[str, object]", likeness).get("consent")
    return reference.strip() if isinstance(reference, str) else None


def _texts(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[str, object]", value).items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            yield from _texts(item, (*path, index))
