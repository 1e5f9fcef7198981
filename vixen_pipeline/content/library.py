"""The template library: finding, reading and keeping the files. Start here.

Belongs here: where files lie, one library out of all of them. Does not: their rules
(library_check.py), their use (sampling.py). Shipped files lie in content/templates; a file of the
same name in `<VIXEN_HOME>/templates` takes the place of the shipped one, any other is added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from vixen_pipeline.content.library_check import FileCheck
from vixen_pipeline.content.templates import GENERAL, CommonWords, Library, NicheTemplates
from vixen_pipeline.errors import InvalidInput
from vixen_pipeline.identity.yaml_reader import MAX_BYTES, read_yaml

COMMON_FILE = "_common.yaml"
OWN_FOLDER = "templates"
NEXT_STEP = "Mend the files, then `vixen content templates` checks them again."


def load_library(home: Path | None = None) -> Library:
    """Read the shipped files and those of `<home>/templates`.

    Raises InvalidInput that names every problem of every file, with its line.
    """
    texts = _shipped()
    own = home / OWN_FOLDER if home is not None else None
    if own is not None and own.is_dir():
        texts |= _read_folder(own)
    return _build(tuple(sorted(texts.items())))


def library_texts(texts: Mapping[str, str]) -> Library:
    """The library of these files, given as text by name. Raises InvalidInput."""
    return _build(tuple(sorted(texts.items())))


@lru_cache(maxsize=4)
def _build(texts: tuple[tuple[str, str], ...]) -> Library:
    problems: list[str] = []
    common: CommonWords | None = None
    niches: dict[str, NicheTemplates] = {}
    claims: dict[str, str] = {}
    for name, text in texts:
        check = _check(name, text)
        if not check.problems and name == COMMON_FILE:
            common = check.common()
        elif not check.problems:
            found = check.niche()
            if found is not None:
                niches[found.niche] = found
                _claim(check, found, claims)
        problems += check.problems
    given = {name for name, _ in texts}
    if COMMON_FILE not in given:
        problems.append(f"{COMMON_FILE}: is missing")
    if GENERAL not in niches and not problems:
        problems.append(f"no file has the niche {GENERAL!r}, which serves all others")
    if problems or common is None:
        raise InvalidInput("content templates", problems, next_step=NEXT_STEP)
    digest = hashlib.sha256(repr(texts).encode()).hexdigest()
    return Library(common, niches, digest)


def _check(name: str, text: str) -> FileCheck:
    document = read_yaml(text)
    check = FileCheck(name, document)
    for problem in document.problems:
        where = f", line {problem.line}" if problem.line is not None else ""
        check.problems.append(f"{name}{where}: {problem.text}")
    return check


def _claim(check: FileCheck, found: NicheTemplates, claims: dict[str, str]) -> None:
    """A niche has one set: two files that serve the same one are a mistake."""
    for word in (found.niche, *found.also):
        if word in claims:
            check.problem((), f"the niche {word!r} is served by {claims[word]} already")
        claims.setdefault(word, check.file)


@lru_cache(maxsize=1)
def _shipped_texts() -> tuple[tuple[str, str], ...]:
    folder = files("vixen_pipeline.content").joinpath("templates")
    found = [each for each in folder.iterdir() if each.name.endswith(".yaml")]
    return tuple(sorted((each.name, each.read_text("utf-8")) for each in found))


def _shipped() -> dict[str, str]:
    return dict(_shipped_texts())


def _read_folder(folder: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    problems: list[str] = []
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            if path.stat().st_size > MAX_BYTES:
                problems.append(f"{path.name}: is larger than {MAX_BYTES // 1024} KiB")
                continue
            texts[path.stem + ".yaml"] = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{path.name}: cannot be read: {error}")
    if problems:
        raise InvalidInput("content templates", problems, next_step=NEXT_STEP)
    return texts
