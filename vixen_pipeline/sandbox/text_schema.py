"""A JSON value that fits a JSON Schema, said plausibly: the sandbox's structured output.

Belongs here: walking the schema. Supported: type (also lists), properties, required,
additionalProperties, items, prefixItems, min/maxItems, uniqueItems, enum, const, anyOf, oneOf,
allOf (merged), $ref into $defs/definitions (recursion included), min/maxLength, pattern, format,
minimum/maximum (also exclusive), multipleOf. Does not: what a field says (text_fields).
Anything else raises `SchemaUnsupported`, which the providers' routes answer with 400.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import TypeAlias, cast

from vixen_pipeline.sandbox import text_fit
from vixen_pipeline.sandbox.text_fields import Path, Writer
from vixen_pipeline.sandbox.text_prompt import read_brief
from vixen_pipeline.sandbox.text_schema_rules import (
    Schema,
    bounds_of,
    canonical,
    child_of,
    kind_of,
    merge,
    with_hints,
    without,
)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_DEEP = 8
_DEEPEST = 40
_MANY = 300
_WORD_FIELDS = ("name", "handle", "slug", "tag", "city", "location", "niche")
_REFUSED = ("not", "if", "dependentSchemas", "patternProperties", "contains", "propertyNames")


class SchemaUnsupported(ValueError):
    """The schema uses a keyword that is not supported, or nothing can fit it."""


def write_json(prompt: str, schema: Schema) -> Json:
    """A value that fits `schema`; the same prompt and schema give the same value."""
    return _Walker(schema, Writer(read_brief(prompt, schema))).value(schema, ())


def write_text(prompt: str) -> str:
    """A short free answer to `prompt`, for calls that send no schema."""
    writer = Writer(read_brief(prompt))
    first = writer.text(("reply",))
    return f"{first} {writer.more(('reply',), 0)}"


class _Walker:
    def __init__(self, root: Schema, writer: Writer) -> None:
        self._root = root
        self._writer = writer
        self._attempt = 0
        self._written = 0

    def _enough(self, path: Path) -> bool:
        """Whether to come to an end: recursive schemas could go on for ever."""
        return len(path) >= _DEEP or self._written > _MANY

    def value(self, schema: Schema, path: Path) -> Json:
        schema = self._resolve(schema)
        self._written += 1
        if len(path) > _DEEPEST:
            raise SchemaUnsupported("the schema asks for endless nesting")
        if "const" in schema:
            return cast(Json, schema["const"])
        if "enum" in schema:
            return self._enum(schema, path)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._branch(schema, keyword, path)
        dice = self._writer.brief.dice("type", *path)
        kind = kind_of(schema, dice, prefer_null=self._enough(path))
        match kind:
            case "object":
                return self._object(schema, path)
            case "array":
                return self._array(schema, path)
            case "string":
                return self._string(schema, path)
            case "integer" | "number":
                return self._number(schema, path, whole=kind == "integer")
            case "boolean":
                return self._writer.brief.dice("bool", *path).random() < 0.5
            case "null":
                return None
            case _:
                raise SchemaUnsupported(f"type {kind!r} at {_where(path)}")

    def _resolve(self, schema: Schema) -> Schema:
        """Follow $ref and merge allOf until neither is left."""
        for _ in range(50):
            for keyword in _REFUSED:
                if keyword in schema:
                    raise SchemaUnsupported(f"keyword {keyword!r} is not supported")
            if "$ref" in schema:
                schema = merge(self._target(str(schema["$ref"])), without(schema, "$ref"))
            elif "allOf" in schema:
                parts = cast(Sequence[Schema], schema["allOf"])
                schema = reduce(merge, parts, without(schema, "allOf"))
            else:
                return with_hints(schema)
        raise SchemaUnsupported("a $ref leads back to itself")

    def _target(self, ref: str) -> Schema:
        if not ref.startswith("#"):
            raise SchemaUnsupported(f"$ref {ref!r}: only references into the schema itself")
        node: object = self._root
        for part in ref.lstrip("#").strip("/").split("/") if ref.strip("#/") else ():
            key = part.replace("~1", "/").replace("~0", "~")
            node = child_of(node, key)
            if node is None:
                raise SchemaUnsupported(f"$ref {ref!r} points nowhere")
        return cast(Schema, node)

    def _enum(self, schema: Schema, path: Path) -> Json:
        options = cast(Sequence[Json], schema["enum"])
        if not options:
            raise SchemaUnsupported(f"empty enum at {_where(path)}")
        stated = {value.lower() for value in self._writer.brief.facts_of(path[-1] if path else "")}
        for option in options:
            if isinstance(option, str) and option.lower() in stated and not self._attempt:
                return option
        place = [part for part in path if not part.isdigit()]
        order = list(options)
        self._writer.brief.dice("enum", *place).shuffle(order)
        position = int(path[-1]) if path and path[-1].isdigit() else 0
        return order[(position + self._attempt) % len(order)]

    def _branch(self, schema: Schema, keyword: str, path: Path) -> Json:
        branches = [self._resolve(one) for one in cast(Sequence[Schema], schema[keyword])]
        rest = without(schema, keyword)
        solid = [one for one in branches if one.get("type") != "null"]
        if self._enough(path) or not solid:
            ranked = sorted(branches, key=lambda one: self._depth(one, frozenset()))
        else:
            turn = self._writer.brief.dice("branch", *path).randrange(len(solid))
            ranked = solid[turn:] + solid[:turn] + [one for one in branches if one not in solid]
        problem: ValueError | None = None
        for one in ranked:
            try:
                return self.value(merge(rest, one), path)
            except (SchemaUnsupported, text_fit.CannotFit) as error:
                problem = problem or error
        raise SchemaUnsupported(f"no branch of {keyword} fits at {_where(path)}: {problem}")

    def _object(self, schema: Schema, path: Path) -> Json:
        properties = cast(Mapping[str, Schema], schema.get("properties") or {})
        required = set(cast(Sequence[str], schema.get("required") or ()))
        written: dict[str, Json] = {}
        for name, child in properties.items():
            if name in required or not self._enough(path):
                try:
                    written[name] = self.value(child, (*path, name))
                except SchemaUnsupported:
                    if name in required:
                        raise
        extra = schema.get("additionalProperties", True)
        wanted = [name for name in sorted(required) if name not in written]
        number = len(written)
        while len(written) + len(wanted) < cast(int, schema.get("minProperties", 0)):
            wanted.append(f"item_{number}")
            number += 1
        if wanted and extra is False:
            raise SchemaUnsupported(f"{wanted} required but not allowed at {_where(path)}")
        for name in wanted:
            child = cast(Schema, extra) if isinstance(extra, Mapping) else {"type": "string"}
            written[name] = self.value(child, (*path, name))
        return written

    def _array(self, schema: Schema, path: Path) -> Json:
        least = cast(int, schema.get("minItems", 0))
        most = cast("int | None", schema.get("maxItems"))
        first = cast(Sequence[Schema], schema.get("prefixItems") or ())
        rest = schema.get("items", True)
        wanted = least if self._enough(path) else max(least, 4, len(first))
        wanted += self._writer.brief.dice("count", *path).randrange(3) if wanted > least else 0
        wanted = wanted if most is None else min(wanted, most)
        if rest is False:
            wanted = min(wanted, len(first))
        unique = bool(schema.get("uniqueItems"))
        items: list[Json] = []
        seen: set[str] = set()
        for index in range(wanted):
            child = first[index] if index < len(first) else rest
            item_schema = cast(Schema, child) if isinstance(child, Mapping) else {"type": "string"}
            item, fresh = self._distinct(item_schema, (*path, str(index)), seen)
            if not fresh and (unique or len(items) >= max(least, 1)) and index >= len(first):
                break
            seen.add(canonical(item))
            items.append(item)
        if len(items) < least:
            raise SchemaUnsupported(f"{least} different items cannot be found at {_where(path)}")
        return items

    def _distinct(self, schema: Schema, path: Path, seen: set[str]) -> tuple[Json, bool]:
        """An item unlike its elder siblings, if one of some tries gives it."""
        before, item = self._attempt, self.value(schema, path)
        try:
            for attempt in range(1, 40):
                if canonical(item) not in seen:
                    return item, True
                self._attempt = before + attempt
                item = self.value(schema, path)
            return item, canonical(item) not in seen
        finally:
            self._attempt = before

    def _string(self, schema: Schema, path: Path) -> str:
        least = cast(int, schema.get("minLength", 0))
        most = cast("int | None", schema.get("maxLength"))
        if most is not None and most < least:
            raise SchemaUnsupported(f"maxLength below minLength at {_where(path)}")
        dice = self._writer.brief.dice("string", self._attempt, *path)
        described = str(schema.get("description") or "")
        text = self._writer.text(path, self._attempt, described)
        pattern = schema.get("pattern")
        if pattern is not None:
            return text_fit.fit_pattern(str(pattern), self._candidates(path), least, most, dice)
        formed = text_fit.of_format(str(schema.get("format")), text, dice)
        if formed is not None:
            return formed
        word = bool(path) and any(part in path[-1].lower() for part in _WORD_FIELDS)
        return text_fit.fit_length(
            text, least, most, lambda index: self._writer.more(path, index), word=word
        )

    def _candidates(self, path: Path) -> Iterator[str]:
        for attempt in range(self._attempt, self._attempt + 4):
            yield self._writer.text(path, attempt)

    def _number(self, schema: Schema, path: Path, *, whole: bool) -> Json:
        step = schema.get("multipleOf")
        low, high = bounds_of(schema, whole=whole)
        dice = self._writer.brief.dice("number", self._attempt, *path)
        stated = self._writer.number(path)
        if stated is not None and low <= stated <= high and not self._attempt and step is None:
            return round(stated) if whole else stated
        if isinstance(step, int | float):
            first, last = math.ceil(low / step), math.floor(high / step)
            if first > last:
                raise SchemaUnsupported(f"no multiple of {step} fits at {_where(path)}")
            picked = dice.randint(first, last) * step
            return round(picked) if whole else picked
        if low > high:
            raise SchemaUnsupported(f"no number fits at {_where(path)}")
        if path and path[-1].lower() == "age" and low <= 24 and high >= 45:
            low, high = 24, 45  # grown up, whatever the schema would allow
        if whole:
            return dice.randint(round(low), round(high))
        drawn = round(dice.uniform(low, high), 2)
        return drawn if low <= drawn <= high else dice.uniform(low, high)

    def _depth(self, schema: Schema, seen: frozenset[str]) -> int:
        """How deep the shallowest value of `schema` is; used to end recursive schemas."""
        key = canonical(schema)
        if key in seen:
            return 1_000
        seen = seen | {key}
        schema = self._resolve(schema)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return min(
                    self._depth(one, seen) for one in cast(Sequence[Schema], schema[keyword])
                )
        if schema.get("type") == "array" and not schema.get("minItems"):
            return 1
        properties = cast(Mapping[str, Schema], schema.get("properties") or {})
        names = cast(Sequence[str], schema.get("required") or ())
        children = [properties[name] for name in names if name in properties]
        if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
            children = [cast(Schema, schema["items"])]
        return 1 + max((self._depth(child, seen) for child in children), default=0)


def _where(path: Path) -> str:
    return "/".join(path) or "the root"
