"""Reading one JSON Schema node: its kind, its bounds, two nodes at once.

Belongs here: pure functions over schemas. Does not: walking or writing values (text_schema).
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

Schema: TypeAlias = Mapping[str, object]

_TINY = 1e-6
_SPAN = 100.0
_HINTS = re.compile(r"(?:^|\n)\{(.+)\}\s*$")
_LIMITS = frozenset(
    {
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
    }
)


def kind_of(schema: Schema, dice: random.Random, *, prefer_null: bool) -> str:
    """The JSON type to write; of several one is drawn, `null` only where it is preferred."""
    kind = schema.get("type")
    if isinstance(kind, list):
        listed = [str(one) for one in cast("list[object]", kind)]
        solid = [one for one in listed if one != "null"]
        if not solid or (prefer_null and "null" in listed):
            return "null"
        return dice.choice(solid)
    if kind is not None:
        return str(kind)
    if "properties" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "number" if "minimum" in schema or "maximum" in schema else "string"


def bounds_of(schema: Schema, *, whole: bool) -> tuple[float, float]:
    """The least and the greatest number that fit, both included; an open end gets a span."""

    def bound(name: str) -> float | None:
        value = schema.get(name)
        return float(value) if isinstance(value, int | float) else None

    tiny = 1.0 if whole else _TINY
    lows = [x for x in (bound("minimum"), _plus(bound("exclusiveMinimum"), tiny)) if x is not None]
    highs = [
        x for x in (bound("maximum"), _plus(bound("exclusiveMaximum"), -tiny)) if x is not None
    ]
    low = max(lows) if lows else (min(highs) - _SPAN if highs else 0.0)
    high = min(highs) if highs else low + _SPAN
    return (math.ceil(low), math.floor(high)) if whole else (low, high)


def _plus(value: float | None, change: float) -> float | None:
    return None if value is None else value + change


def merge(one: Schema, other: Schema) -> Schema:
    """Both schemas at once: properties and required are united, bounds narrowed."""
    merged = {**one, **other}
    for name in ("properties", "$defs"):
        if name in one and name in other:
            merged[name] = {
                **cast(Mapping[str, object], one[name]),
                **cast(Mapping[str, object], other[name]),
            }
    if "required" in one and "required" in other:
        both = [*cast(Sequence[str], one["required"]), *cast(Sequence[str], other["required"])]
        merged["required"] = list(dict.fromkeys(both))
    for name, narrower in (
        ("minimum", max),
        ("minLength", max),
        ("maximum", min),
        ("maxLength", min),
    ):
        if name in one and name in other:
            merged[name] = narrower(cast(float, one[name]), cast(float, other[name]))
    return merged


def with_hints(schema: Schema) -> Schema:
    """The schema, plus the limits that its description states as `{minLength: 3, maxItems: 8}`.

    Official SDKs move the keywords that a provider refuses there, for the model to heed.
    """
    found = _HINTS.search(str(schema.get("description") or ""))
    if not found:
        return schema
    hinted: dict[str, object] = {}
    for part in re.split(r", (?=[A-Za-z$]+: )", found.group(1)):
        name, _, value = part.partition(": ")
        if name == "pattern":
            hinted[name] = value
        elif name == "uniqueItems":
            hinted[name] = value == "True"
        elif name in _LIMITS and re.fullmatch(r"-?\d+(\.\d+)?", value):
            hinted[name] = float(value) if "." in value else int(value)
    return {**hinted, **schema}


def child_of(node: object, key: str) -> object | None:
    """What stands under `key` of a JSON object; None when there is nothing."""
    if not isinstance(node, Mapping):
        return None
    return cast(Schema, node).get(key)


def without(schema: Schema, keyword: str) -> Schema:
    """The same schema, one keyword less."""
    return {key: value for key, value in schema.items() if key != keyword}


def canonical(value: object) -> str:
    """The same text for equal values."""
    return json.dumps(value, sort_keys=True, default=str)
