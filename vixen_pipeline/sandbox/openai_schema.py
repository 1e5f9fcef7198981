"""Which JSON Schemas OpenAI takes in strict mode, and how it words a refusal.

Belongs here: the subset check. Does not: writing values (text_schema).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

_REFUSED = ("allOf", "not", "if", "dependentRequired", "dependentSchemas", "oneOf")


def problem_of(schema: Mapping[str, object], name: str, place: str) -> str | None:
    """Why this schema is refused; None when it is taken. `place` is response_format or so."""
    head = f"Invalid schema for {place} '{name}'"
    if schema.get("type") != "object":
        kind = schema.get("type")
        return (
            f"{head}: schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
        )
    found = _walk(schema, ())
    return f"{head}: {found}" if found else None


def _walk(node: object, path: tuple[str, ...]) -> str | None:
    if not isinstance(node, Mapping):
        return None
    schema = cast(Mapping[str, object], node)
    problem = _node_problem(schema, f"In context={path}")
    if problem:
        return problem
    children: list[tuple[tuple[str, ...], object]] = [((*path, "items"), schema.get("items"))]
    for index, option in enumerate(cast(Sequence[object], schema.get("anyOf") or ())):
        children.append(((*path, "anyOf", str(index)), option))
    for group in ("properties", "$defs", "definitions"):
        for name, child in cast(Mapping[str, object], schema.get(group) or {}).items():
            children.append(((*path, group, name), child))
    return next((found for place, child in children if (found := _walk(child, place))), None)


def _node_problem(schema: Mapping[str, object], context: str) -> str | None:
    for keyword in _REFUSED:
        if keyword in schema:
            return f"{context}, '{keyword}' is not permitted."
    if schema.get("type") == "array" and "items" not in schema:
        return f"{context}, array schema missing items."
    if schema.get("type") != "object":
        return None
    if schema.get("additionalProperties") is not False:
        return f"{context}, 'additionalProperties' is required to be supplied and to be false."
    names = list(cast(Mapping[str, object], schema.get("properties") or {}))
    required = cast(Sequence[str], schema.get("required") or ())
    missing = [name for name in names if name not in required]
    if missing:
        return (
            f"{context}, 'required' is required to be supplied and to be an array including every"
            f" key in properties. Missing '{missing[0]}'."
        )
    return None
