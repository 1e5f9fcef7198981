"""Untrusted JSON into plain data with line numbers. Belongs here: what JSON has beyond YAML.

Does not: what a spec may say. JSON is nearly YAML: the YAML events give the lines and find what is
there twice, the values come from the JSON parser (surrogate pairs, tabs between tokens).
"""

from __future__ import annotations

import json
import re

from vixen_pipeline.identity.yaml_reader import MAX_DEPTH, Document, Problem, read_yaml

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def is_json(text: str, source: str) -> bool:
    """True for a .json file, and for text that is one JSON object."""
    if source.lower().endswith(".json"):
        return True
    if not text.lstrip().startswith("{") or _depth(text) > MAX_DEPTH:
        return False
    try:
        json.loads(text, parse_int=_integer)
    except ValueError:
        return False
    return True


def read_json(text: str) -> Document:
    """Read one JSON document. Never raises: what is wrong is in `problems`."""
    if not text.strip():
        return Document(problems=[Problem(None, "is empty; allowed: one avatar spec")])
    if _depth(text) > MAX_DEPTH:
        return Document(problems=[Problem(None, f"is nested deeper than {MAX_DEPTH} levels")])
    twice: list[str] = []

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in items:
            if name in found:
                twice.append(name)
            found[name] = value
        return found

    try:
        value: object = json.loads(
            text, object_pairs_hook=pairs, parse_int=_integer, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        problem = Problem(error.lineno, f"is not valid JSON: {error.msg}")
        return Document(problems=[problem])
    except ValueError as error:
        return Document(problems=[Problem(None, f"is not valid JSON: {error}")])
    marks = read_yaml(text.replace("\t", " "))
    if marks.complete:
        problems = marks.problems
    else:
        problems = [Problem(None, f"{name[:60]!r} is here twice") for name in twice]
    return Document(value=value, lines=marks.lines, problems=problems, complete=True)


def _depth(text: str) -> int:
    """How deep brackets nest outside strings."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= 18 else digits


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value")
