"""Untrusted YAML into plain data with line numbers. Belongs here: syntax, size and shape limits.

Does not: what a spec may say (spec, spec_parse). Works on parser events, so that nothing is
composed, expanded or constructed before it was judged: aliases, tags and depth are refused as they
come by. Plain words mean what YAML 1.2 says: only true/false are booleans, `no` and dates are text.
"""

# PyYAML ships no types; what comes out of it is typed here.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
)

MAX_BYTES = 64 * 1024
MAX_DEPTH = 8
MAX_PROBLEMS = 50

FieldPath = tuple[str | int, ...]

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?[0-9]{1,17}\.[0-9]{1,17}(?:[eE][-+]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, `line` counted from 1 (None: the file as a whole)."""

    line: int | None
    text: str


@dataclass(slots=True)
class Document:
    """What was read. `lines` has the line of each value (and key) by its path.

    `complete` is False when reading stopped early, so that `value` says nothing.
    """

    value: object = None
    lines: dict[FieldPath, int] = field(default_factory=dict[FieldPath, int])
    problems: list[Problem] = field(default_factory=list[Problem])
    complete: bool = False

    def line(self, path: FieldPath) -> int | None:
        """The line of `path` or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


@dataclass(slots=True)
class _Frame:
    """A collection that is being filled."""

    path: FieldPath
    mapping: dict[str, object] | None
    sequence: list[object] | None
    key: str | None = None


class _Stop(Exception):
    """Reading cannot go on; the problem is recorded."""


def read_yaml(text: str) -> Document:
    """Read one YAML document. Never raises: what is wrong is in `problems`."""
    return _Builder(text).build()


class _Builder:
    def __init__(self, text: str) -> None:
        self._text = text
        self._document = Document()
        self._frames: list[_Frame] = []
        self._documents = 0

    def build(self) -> Document:
        document = self._document
        try:
            for event in self._events():
                self._take(event)
            document.complete = True
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = " ".join(filter(None, (error.context, error.problem)))
            line = mark.line + 1 if mark else None
            document.problems.append(Problem(line, f"is not valid YAML: {what}"))
        except yaml.reader.ReaderError as error:
            line = self._text.count("\n", 0, error.position) + 1
            code = error.character if isinstance(error.character, int) else 0
            document.problems.append(
                Problem(line, f"contains the character U+{code:04X}, which YAML does not allow")
            )
        except _Stop:
            pass
        if document.complete and self._documents == 0:
            document.complete = False
            document.problems.append(Problem(None, "is empty; allowed: one avatar spec"))
        return document

    def _events(self) -> Iterator[Event]:
        yield from yaml.parse(self._text, Loader=yaml.SafeLoader)

    def _problem(self, line: int | None, text: str) -> None:
        self._document.problems.append(Problem(line, text))
        if len(self._document.problems) >= MAX_PROBLEMS:
            raise _Stop

    def _stop(self, event: Event, text: str) -> None:
        self._problem(event.start_mark.line + 1, text)
        raise _Stop

    def _take(self, event: Event) -> None:
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._stop(event, "starts a second document; allowed: one avatar per file")
        elif isinstance(event, AliasEvent):
            self._stop(event, f"uses the alias *{event.anchor}; allowed: each value written out")
        elif isinstance(event, CollectionStartEvent):
            self._open(event)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._frames.pop()
        elif isinstance(event, ScalarEvent):
            self._scalar(event)

    def _open(self, event: CollectionStartEvent) -> None:
        self._refuse_tag(event)
        if len(self._frames) >= MAX_DEPTH:
            self._stop(event, f"is nested deeper than {MAX_DEPTH} levels")
        frame = self._frames[-1] if self._frames else None
        if frame is not None and frame.mapping is not None and frame.key is None:
            self._stop(event, "uses a list or mapping as a key; allowed: plain text keys")
        path = self._path_of_next()
        if isinstance(event, MappingStartEvent):
            opened = _Frame(path, {}, None)
            self._put(event, opened.mapping)
        else:
            opened = _Frame(path, None, [])
            self._put(event, opened.sequence)
        self._frames.append(opened)

    def _scalar(self, event: ScalarEvent) -> None:
        self._refuse_tag(event)
        frame = self._frames[-1] if self._frames else None
        if frame is not None and frame.mapping is not None and frame.key is None:
            self._key(event, frame, frame.mapping)
            return
        plain = event.style is None or event.style == ""
        self._put(event, _resolve(event.value) if plain else event.value)

    def _key(self, event: ScalarEvent, frame: _Frame, mapping: dict[str, object]) -> None:
        line = event.start_mark.line + 1
        if event.value in mapping:
            first = self._document.lines[(*frame.path, event.value)]
            self._problem(line, f"{event.value[:60]!r} is here twice, first in line {first}")
        frame.key = event.value
        mapping[event.value] = None
        self._document.lines[(*frame.path, event.value)] = line

    def _refuse_tag(self, event: NodeEvent) -> None:
        tag: object = getattr(event, "tag", None)
        if tag is not None:
            self._problem(
                event.start_mark.line + 1, f"uses the tag {tag!s:.60}; allowed: plain values"
            )

    def _path_of_next(self) -> FieldPath:
        if not self._frames:
            return ()
        frame = self._frames[-1]
        part = frame.key if frame.sequence is None else len(frame.sequence)
        return (*frame.path, part if part is not None else "")

    def _put(self, event: Event, value: object) -> None:
        path = self._path_of_next()
        self._document.lines.setdefault(path, event.start_mark.line + 1)
        if not self._frames:
            self._document.value = value
            return
        frame = self._frames[-1]
        if frame.sequence is not None:
            frame.sequence.append(value)
        elif frame.mapping is not None and frame.key is not None:
            frame.mapping[frame.key] = value
            frame.key = None


def _resolve(word: str) -> object:
    """A plain word: null, a boolean, a number, or text."""
    if word in ("", "~", "null", "Null", "NULL"):
        return None
    if word.lower() in ("true", "false") and word in (word.lower(), word.upper(), word.title()):
        return word.lower() == "true"
    if _INT.fullmatch(word):
        return int(word)
    return float(word) if _FLOAT.fullmatch(word) else word
