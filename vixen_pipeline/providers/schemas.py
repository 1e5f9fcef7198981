"""A pydantic model as the JSON Schema that a provider's strict mode accepts.

Belongs here: pure functions over schemas. Does not: requests, checking answers (pydantic does,
with every constraint, after the answer came). What a provider cannot enforce is told to the model
in the field's description instead, in the form Anthropic's own SDK uses: `{minLength: 30}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, cast

from pydantic import BaseModel

Node: TypeAlias = dict[str, object]

_TOLD_OPENAI = ("minLength", "maxLength", "uniqueItems")
_DEEPEST = 50


def strict_schema(model: type[BaseModel]) -> Node:
    """Every property required, none beyond them, no defaults or titles, no `$ref` with siblings.

    TypeError for a field that has no strict form (free-form dicts, tuples of mixed types): that
    is a mistake in the model, found the first time it is used.
    """
    root = cast(Node, model.model_json_schema())
    return _strict(root, cast(Node, root.get("$defs", {})), model.__name__, 0)


def anthropic_schema(model: type[BaseModel]) -> Node:
    """For `output_config.format`; the SDK knows which keywords the service enforces."""
    import anthropic

    return cast(Node, anthropic.transform_schema(strict_schema(model)))


def openai_schema(model: type[BaseModel]) -> Node:
    """For `text.format` with `strict: true`."""
    return cast(Node, _told(strict_schema(model)))


def _strict(node: Node, defs: Node, where: str, depth: int) -> Node:
    if depth > _DEEPEST:
        raise TypeError(f"{where}: the schema is nested too deeply")
    kept = {key: value for key, value in node.items() if key not in ("title", "default")}
    if "$ref" in kept and len(kept) > 1:
        target = cast(Node, defs[str(kept.pop("$ref")).rsplit("/", 1)[-1]])
        return _strict({**target, **kept}, defs, where, depth + 1)
    kept.pop("discriminator", None)
    if "oneOf" in kept:
        kept["anyOf"] = kept.pop("oneOf")
    if "prefixItems" in kept:
        raise TypeError(f"{where}: a tuple has no strict form; use a model with named fields")
    if kept.get("type") == "object":
        _close_object(kept, where)
    for key in ("$defs", "properties"):
        if key in kept:
            children = cast(Mapping[str, Node], kept[key])
            kept[key] = {
                name: _strict(child, defs, f"{where}.{name}", depth + 1)
                for name, child in children.items()
            }
    for key in ("anyOf", "allOf"):
        if key in kept:
            kept[key] = [_strict(n, defs, where, depth + 1) for n in cast(list[Node], kept[key])]
    if "items" in kept:
        kept["items"] = _strict(cast(Node, kept["items"]), defs, f"{where}[]", depth + 1)
    return kept


def _close_object(node: Node, where: str) -> None:
    if "properties" not in node:
        raise TypeError(f"{where}: a free-form dict has no strict form; use a list of pairs")
    node["additionalProperties"] = False
    node["required"] = list(cast(Mapping[str, object], node["properties"]))


def _told(value: object) -> object:
    """The same tree, with what OpenAI does not enforce moved into descriptions."""
    if isinstance(value, list):
        return [_told(item) for item in cast(list[object], value)]
    if not isinstance(value, dict):
        return value
    node = cast(Node, value)
    limits = {
        key: node[key]
        for key in _TOLD_OPENAI
        if isinstance(node.get(key), int)  # a property may well be named like a keyword
    }
    kept: Node = {key: _told(child) for key, child in node.items() if key not in limits}
    if limits:
        told = "{" + ", ".join(f"{key}: {value}" for key, value in limits.items()) + "}"
        described = str(kept.get("description", ""))
        kept["description"] = f"{described}\n\n{told}" if described else told
    return kept
