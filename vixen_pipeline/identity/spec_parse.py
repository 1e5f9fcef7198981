"""Bytes or files into valid specs, or every problem at once. Belongs here: reading and judging.

Does not: storing (registry). A problem is one line: `luna.yaml:12: age: 19 is …; allowed: …`.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from vixen_pipeline.errors import InvalidInput
from vixen_pipeline.identity.json_reader import is_json, read_json
from vixen_pipeline.identity.spec import AvatarSpec, ParsedSpec
from vixen_pipeline.identity.spec_errors import describe_errors, show_path
from vixen_pipeline.identity.spec_policy import Consents, policy_problems
from vixen_pipeline.identity.yaml_reader import MAX_BYTES, Document, FieldPath, read_yaml

NO_CONSENTS: Consents = {}
NEXT_STEP = "Nothing was written; the format: `vixen avatar schema`, examples/avatars/."


def parse_spec(data: bytes, source: str, consents: Consents = NO_CONSENTS) -> ParsedSpec:
    """The spec in `data` (YAML or JSON). `source` names it in problems; `consents` are on record.

    Raises InvalidInput with every problem, whatever the bytes are; nothing else.
    """
    problems, spec = _parse(data, source, consents)
    if spec is None or problems:
        raise InvalidInput(source, problems, next_step=NEXT_STEP)
    return ParsedSpec(spec, source)


def parse_files(
    paths: Sequence[Path], consents: Consents = NO_CONSENTS
) -> tuple[list[ParsedSpec], list[str]]:
    """The valid specs of `paths`, and the problems of all others; never raises for bad input."""
    parsed: list[ParsedSpec] = []
    problems: list[str] = []
    for path in paths:
        data, problem = _read(path)
        if data is None:
            problems.append(f"{path}: {problem}")
            continue
        found, spec = _parse(data, str(path), consents)
        problems += found
        if spec is not None and not found:
            parsed.append(ParsedSpec(spec, str(path)))
    return parsed, problems


def _read(path: Path) -> tuple[bytes | None, str]:
    """The bytes of a file, or why they cannot be had. Never reads more than the limit."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return None, "is a folder; allowed: a YAML or JSON file"
        if status.st_size > MAX_BYTES:
            return None, _too_big(status.st_size)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return None, f"cannot be read: {error.strerror or error}"
    except ValueError as error:  # a path with a NUL character
        return None, f"cannot be read: {error}"
    return data, ""


def _too_big(size: int) -> str:
    return f"has {size:,} bytes; allowed: at most {MAX_BYTES:,}"


def _parse(data: bytes, source: str, consents: Consents) -> tuple[list[str], AvatarSpec | None]:
    if len(data) > MAX_BYTES:
        return [f"{source}: {_too_big(len(data))}"], None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return [f"{source}:{line}: is not UTF-8 text; allowed: UTF-8"], None
    document = read_json(text) if is_json(text, source) else read_yaml(text)
    problems = [_line(source, problem.line, problem.text) for problem in document.problems]
    if not document.complete:
        return problems, None
    if not isinstance(document.value, dict):
        kind = "a list" if isinstance(document.value, list) else "a single value"
        return [*problems, f"{source}: is {kind}; allowed: a mapping, one avatar per file"], None
    judged, spec = _judge(document, consents)
    return problems + [_at(source, document, path, reason) for path, reason in judged], spec


def _judge(
    document: Document, consents: Consents
) -> tuple[list[tuple[FieldPath, str]], AvatarSpec | None]:
    """Problems in the order of the lines they are in."""
    mapping = cast("dict[str, object]", document.value)
    # "$schema" is how JSON files tell editors their schema.
    value = {name: item for name, item in mapping.items() if name != "$schema"}
    found: list[tuple[FieldPath, str]] = []
    spec: AvatarSpec | None = None
    try:
        spec = AvatarSpec.model_validate(value)
    except ValidationError as error:
        found += describe_errors(error)
    found += policy_problems(value, consents)
    return sorted(found, key=lambda item: document.line(item[0]) or 0), spec


def _at(source: str, document: Document, path: FieldPath, reason: str) -> str:
    return _line(source, document.line(path), f"{show_path(path)}: {reason}")


def _line(source: str, line: int | None, text: str) -> str:
    return f"{source}:{line}: {text}" if line is not None else f"{source}: {text}"
