"""A smallest instance of a pydantic model, for fakes. Belongs here: walking JSON Schema.

Does not: plausible text (the sandbox writes that), `pattern` (hand the fake an answer instead).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar, cast

from pydantic import BaseModel

T = TypeVar("T", bound=BaseModel)
Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
Schema: TypeAlias = Mapping[str, Json]


def sample(schema: type[T], text: str = "sample") -> T:
    """An instance of `schema`. Strings start with `text`; a model that it cannot fit raises
    pydantic's ValidationError, and the test should then bring its own answer."""
    tree = cast(Schema, schema.model_json_schema())
    return schema.model_validate(_value(tree, cast(Schema, tree.get("$defs", {})), text))


def _value(node: Schema, defs: Schema, text: str) -> Json:
    if "$ref" in node:
        return _value(cast(Schema, defs[str(node["$ref"]).rsplit("/", 1)[-1]]), defs, text)
    if "const" in node:
        return node["const"]
    if "enum" in node:
        return cast(Sequence[Json], node["enum"])[0]
    for union in ("anyOf", "oneOf", "allOf"):
        if union in node:
            return _value(cast(Sequence[Schema], node[union])[0], defs, text)
    kind = node.get("type")
    if kind == "object":
        properties = cast(Mapping[str, Schema], node.get("properties", {}))
        return {name: _value(child, defs, f"{text} {name}") for name, child in properties.items()}
    if kind == "array":
        items = cast(Schema, node.get("items", {}))
        count = max(1, int(cast(int, node.get("minItems", 1))))
        return [_value(items, defs, f"{text} {number + 1}") for number in range(count)]
    if kind == "string":
        return _text(node, text)
    if kind in ("integer", "number"):
        return _number(node)
    return False if kind == "boolean" else None


def _text(node: Schema, text: str) -> str:
    shortest = int(cast(int, node.get("minLength", 0)))
    longest = int(cast(int, node.get("maxLength", 10_000)))
    padded = text + " word" * ((max(0, shortest - len(text)) + 4) // 5)
    return padded[:longest]


def _number(node: Schema) -> int:
    if "exclusiveMinimum" in node:
        return int(cast(float, node["exclusiveMinimum"])) + 1
    return int(cast(float, node.get("minimum", node.get("maximum", 1))))
