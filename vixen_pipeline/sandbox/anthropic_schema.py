"""Which JSON Schemas Anthropic takes for structured output, and how it words a refusal.

Belongs here: the subset check. Does not: writing values (text_schema). Being strict here keeps a
pipeline that works with the sandbox from failing with the real service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

_PLACE = "output_config.format.schema"
_UNSUPPORTED: dict[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("maxItems", "uniqueItems", "prefixItems", "contains"),
    "object": ("minProperties", "maxProperties", "patternProperties", "propertyNames"),
}


def problem_of(schema: Mapping[str, object]) -> str | None:
    """Why this schema is refused; None when it is taken."""
    found = _walk(schema)
    if found is None and _recursive(schema):
        found = "Circular reference detected in schema definitions"
    return f"{_PLACE}: {found}" if found else None


def _walk(node: object) -> str | None:
    if isinstance(node, list):
        return next((p for item in cast("list[object]", node) if (p := _walk(item))), None)
    if not isinstance(node, Mapping):
        return None
    schema = cast(Mapping[str, object], node)
    problem = _node_problem(schema)
    if problem:
        return problem
    children: list[object] = [schema.get(key) for key in ("items", "anyOf", "allOf", "oneOf")]
    for key in ("properties", "$defs", "definitions"):
        children += list(cast(Mapping[str, object], schema.get(key) or {}).values())
    return next((p for child in children if (p := _walk(child))), None)


def _node_problem(schema: Mapping[str, object]) -> str | None:
    kind = str(schema.get("type"))
    for keyword in _UNSUPPORTED.get(kind, ()):
        if keyword in schema:
            return f"For '{kind}' type, property '{keyword}' is not supported"
    if kind == "array" and schema.get("minItems", 0) not in (0, 1):
        return "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    if kind == "object" and schema.get("additionalProperties") is not False:
        return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    if "oneOf" in schema:
        return "Schema type 'oneOf' is not supported"
    ref = schema.get("$ref")
    if ref is not None and not str(ref).startswith("#"):
        return f"External $ref '{ref}' is not supported"
    return None


def _recursive(schema: Mapping[str, object]) -> bool:
    """Whether a definition refers to itself, directly or through others."""
    definitions = {
        f"#/{group}/{name}": body
        for group in ("$defs", "definitions")
        for name, body in cast(Mapping[str, object], schema.get(group) or {}).items()
    }
    uses = {name: set(_refs(body)) for name, body in definitions.items()}

    def reaches(start: str, goal: str, seen: set[str]) -> bool:
        for target in uses.get(start, set()):
            if target == goal:
                return True
            if target not in seen and reaches(target, goal, seen | {target}):
                return True
        return False

    return any(reaches(name, name, set()) for name in uses) or "#" in _refs(schema)


def _refs(node: object) -> Sequence[str]:
    if isinstance(node, list):
        return [ref for item in cast("list[object]", node) for ref in _refs(item)]
    if not isinstance(node, Mapping):
        return []
    schema = cast(Mapping[str, object], node)
    own = [str(schema["$ref"])] if "$ref" in schema else []
    return own + [ref for value in schema.values() for ref in _refs(value)]
