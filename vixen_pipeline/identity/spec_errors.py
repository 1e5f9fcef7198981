"""Validation errors in words: what is wrong, and what is allowed instead.

Belongs here: one line per pydantic error, "did you mean". Does not: line numbers (spec_parse).
The allowed values are read from the JSON Schema, so that they can never differ from the model.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from vixen_pipeline.db.base import Json
from vixen_pipeline.identity.spec import AvatarSpec
from vixen_pipeline.identity.yaml_reader import FieldPath

_NOT_TEXT = "is not text (put it in quotes)"
_KINDS = {
    "string_type": _NOT_TEXT,
    "string_unicode": "contains half of a character",
    "int_type": "is not a whole number (written without quotes)",
    "int_from_float": "is not a whole number",
    "list_type": "is not a list",
    "model_type": "is not a mapping",
    "model_attributes_type": "is not a mapping",
    "dict_type": "is not a mapping",
    "too_short": "has too few entries",
    "too_long": "has too many entries",
    "string_too_short": "is empty or too short",
    "string_too_long": "is too long",
    "missing": "is missing",
}


def describe_errors(error: ValidationError) -> list[tuple[FieldPath, str]]:
    """The path and the reason (with the allowed values) of each error, in the file's order."""
    found: list[tuple[FieldPath, str]] = []
    for details in error.errors(include_url=False):
        path = details["loc"]
        found.append((path, _reason(path, details)))
    return found


def show_path(path: FieldPath) -> str:
    """`personality.traits[2]`; strange keys are quoted."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part + 1}]"
        else:
            name = part if part.isascii() and part.replace("_", "a").isalnum() else repr(part[:60])
            shown += f".{name}" if shown else name
    return shown or "the document"


def _reason(path: FieldPath, details: ErrorDetails) -> str:
    kind = details["type"]
    if kind == "vixen":
        return str(details["ctx"]["reason"])  # pyright: ignore[reportTypedDictNotRequiredAccess]
    if kind == "extra_forbidden":
        return _unknown_key(path)
    value = details["input"]
    if path == ("age",) and isinstance(value, int) and kind == "greater_than_equal":
        what = f"{value} is under age; avatars are fictional adults"
    elif kind in _KINDS:
        what = _KINDS[kind]
    else:
        what = f"{_shown(value)} is not allowed"
    return f"{what}; allowed: {allowed_values(path)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _unknown_key(path: FieldPath) -> str:
    name = str(path[-1])
    known = list(_properties(_node(path[:-1])))
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.6)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"is not a known key{hint}; allowed: {', '.join(known)}"


def allowed_values(path: FieldPath) -> str:
    """What may stand at `path`, in words."""
    return _describe(_node(path))


@lru_cache(maxsize=1)
def _schema() -> Json:
    return AvatarSpec.model_json_schema()


def _resolve(node: Mapping[str, object]) -> Mapping[str, object]:
    """`node` without references, and without "or null"."""
    reference = node.get("$ref")
    if isinstance(reference, str):
        named = _schema()["$defs"][reference.rsplit("/", 1)[-1]]
        return {**_resolve(named), **{k: v for k, v in node.items() if k != "$ref"}}
    choices = node.get("anyOf")
    if isinstance(choices, list):
        for choice in cast("list[Mapping[str, object]]", choices):
            if choice.get("type") != "null":
                return _resolve(choice)
    return node


def _properties(node: Mapping[str, object]) -> Mapping[str, Mapping[str, object]]:
    return cast("Mapping[str, Mapping[str, object]]", node.get("properties", {}))


def _node(path: FieldPath) -> Mapping[str, object]:
    node = _resolve(_schema())
    for part in path:
        if isinstance(part, int):
            node = _resolve(cast("Mapping[str, object]", node.get("items", {})))
        else:
            node = _resolve(_properties(node).get(part, {}))
    return node


def _describe(node: Mapping[str, object]) -> str:
    if "x-allowed" in node:
        return str(node["x-allowed"])
    if "const" in node:
        return str(node["const"])
    choices = node.get("enum")
    if isinstance(choices, Sequence) and not isinstance(choices, str):
        return ", ".join(map(str, cast("Sequence[object]", choices)))
    match node.get("type"):
        case "integer":
            return f"whole numbers from {node.get('minimum')} to {node.get('maximum')}"
        case "string":
            return f"text of {node.get('minLength', 1)} to {node.get('maxLength')} characters"
        case "array":
            entries = f"{node.get('minItems', 0)} to {node.get('maxItems')} entries"
            inner = _describe(_resolve(cast("Mapping[str, object]", node.get("items", {}))))
            return f"a list of {entries}, each {inner}"
        case "object":
            required = cast("Sequence[str]", node.get("required", ()))
            return f"a mapping with the keys {', '.join(_properties(node))}" + (
                f" (needed: {', '.join(required)})" if required else ""
            )
        case _:
            return "see the schema (vixen avatar schema)"
