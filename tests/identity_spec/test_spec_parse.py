"""Bad specs: one clear line per problem, all at once, and no exception but InvalidInput."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from spec_samples import sample_document, sample_spec

from vixen_pipeline.errors import InvalidInput
from vixen_pipeline.identity.schema import (
    REFERENCE_FILE,
    SCHEMA_FILE,
    reference_text,
    schema_text,
)
from vixen_pipeline.identity.spec_parse import parse_files, parse_spec
from vixen_pipeline.identity.yaml_reader import MAX_BYTES

EXAMPLES = Path(__file__).parents[2] / "examples" / "avatars"


def dumped(**changes: Any) -> bytes:
    return yaml.safe_dump(sample_document(**changes), sort_keys=False, allow_unicode=True).encode()


def problems(data: bytes | str, source: str = "a.yaml", **consents: str) -> list[str]:
    raw = data.encode() if isinstance(data, str) else data
    with pytest.raises(InvalidInput) as caught:
        parse_spec(raw, source, consents)
    return list(caught.value.problems)


def test_a_valid_spec_is_read_from_yaml_and_from_json() -> None:
    assert parse_spec(dumped(), "a.yaml").spec == sample_spec()
    text = json.dumps({"$schema": "x.json", **sample_document()}, indent="\t")
    assert parse_spec(text.encode(), "a.json").spec == sample_spec()
    assert parse_spec(text.encode(), "stdin").spec == sample_spec()


def test_the_examples_are_valid_and_of_five_niches() -> None:
    files = sorted(EXAMPLES.glob("*.yaml"))
    parsed, found = parse_files(files)
    assert found == []
    assert len({item.spec.niche for item in parsed}) >= 5
    for file in files:
        first = file.read_text().splitlines()[0]
        schema = first.removeprefix("# yaml-language-server: $schema=")
        assert (EXAMPLES / schema).resolve() == SCHEMA_FILE


def test_the_shipped_schema_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text("utf-8") == schema_text(), (
        "run: python -m vixen_pipeline.identity.schema"
    )


def test_the_reference_page_is_up_to_date() -> None:
    page = EXAMPLES.parents[1] / REFERENCE_FILE
    assert page.read_text("utf-8") == reference_text(), (
        "run: python -m vixen_pipeline.identity.schema"
    )


def test_every_problem_is_reported_at_once_with_its_line() -> None:
    text = dumped().decode()
    text = text.replace("age: 27", "age: 19").replace("hair_color: copper", "hair_colour: copper")
    text = text.replace("time_zone: Europe/Lisbon", "time_zone: Europe/Lisabon")
    found = problems(text, "luna.yaml")
    assert len(found) == 4
    lines = text.splitlines()
    for problem in found:
        source, number, path, _ = problem.split(":", 3)
        assert source == "luna.yaml"
        field = path.strip().split(".")[0]
        assert field in lines[int(number) - 1] or "hair_colo" in lines[int(number) - 1]
    joined = "\n".join(found)
    assert "age: 19 is under age; avatars are fictional adults; allowed: whole numbers from 21" in (
        joined
    )
    assert "did you mean 'hair_color'?" in joined
    assert "did you mean Europe/Lisbon" in joined
    assert "hair_color: is missing" in joined


@pytest.mark.parametrize("age", [20, 17, 1, 0, -5, 120])
def test_an_age_outside_the_limits_is_refused(age: int) -> None:
    found = problems(dumped(age=age))
    assert len(found) == 1
    assert "allowed: whole numbers from 21 to 99" in found[0]


@pytest.mark.parametrize("age", ["25", 25.5, True, None, [25]])
def test_an_age_that_is_no_whole_number_is_refused(age: object) -> None:
    assert "age: is not a whole number" in problems(dumped(age=age))[0]


def text_paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [p for key, item in value.items() for p in text_paths(item, (*path, key))]
    if isinstance(value, list):
        return [p for i, item in enumerate(value) for p in text_paths(item, (*path, i))]
    free = isinstance(value, str) and path[0] not in ("locale", "languages", "time_zone", "prices")
    return [path] if free and path[-1] not in ("presentation", "pronouns") else []


TEXT_PATHS = text_paths({**sample_document(), "disclosure": "Made with AI."})


@pytest.mark.parametrize("path", TEXT_PATHS, ids=lambda path: ".".join(map(str, path)))
@pytest.mark.parametrize("wording", ["teen", "schoolgirl", "looks 15", "Taylor Swift"])
def test_wording_is_refused_in_every_field(path: tuple[str | int, ...], wording: str) -> None:
    document = sample_document(disclosure="Made with AI.")
    node: Any = document
    for part in path[:-1]:
        node = node[part]
    is_key = path[-1] in ("handle", "niche")
    node[path[-1]] = wording.lower().replace(" ", "-") if is_key else f"AI, {wording} style"
    found = problems(yaml.safe_dump(document))
    assert len(found) == 1, found
    assert "allowed:" in found[0]


def test_hard_limits_may_name_what_they_forbid() -> None:
    personality = {
        **sample_document()["personality"],
        "hard_limits": ["no nudity", "never any content with minors"],
        "prohibited_topics": ["explicit adult content"],
    }
    assert parse_spec(dumped(personality=personality), "a.yaml")


def test_a_likeness_needs_a_recorded_consent_of_that_person() -> None:
    changes = {"likeness": {"consent": "doc-7"}, "name": "Jane"}
    appearance = {**sample_document()["appearance"], "distinguishing": ["looks like Jane Doe"]}
    document = dumped(**changes, appearance=appearance)
    assert parse_spec(document, "a.yaml", {"doc-7": "Jane Doe"})
    found = problems(document)
    assert len(found) == 2
    assert "no consent is recorded under 'doc-7'" in "\n".join(found)
    found = problems(document, **{"doc-7": "Mary Major"})
    assert len(found) == 1
    assert "'Jane Doe' is a real person" in found[0]
    # A consent on record that the spec does not declare allows nothing.
    assert problems(dumped(appearance=appearance), **{"doc-7": "Jane Doe"})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\n\n# only a comment\n", "is empty"),
        (b"---\n", "is a single value"),
        (b"- a\n- b\n", "is a list; allowed: a mapping"),
        (b"just text", "is a single value"),
        (b"\xff\xfea\x00", "is not UTF-8"),
        (b"a: caf\xe9", "a.yaml:1: is not UTF-8"),
        (b"a: [1, 2\nb: 3", "is not valid YAML"),
        (b"a: 1\n\tb: 2", "a.yaml:2: is not valid YAML"),
        (b"a: \x00", "contains the character U+0000"),
        (b"a: 1\n---\nb: 2\n", "a.yaml:2: starts a second document"),
        (b"a: &x [1]\nb: *x\n", "a.yaml:2: uses the alias *x"),
        (b"a: !!python/object/apply:os.system [ls]", "uses the tag"),
        (b"a: !x y", "uses the tag"),
        (b"? [a, b]\n: c\n", "uses a list or mapping as a key"),
        (b"[" * 5000, "is nested deeper than 8 levels"),
        (b"- " * 3000, "is nested deeper than 8 levels"),
        (b"{a: " * 3000, "is nested deeper than 8 levels"),
        (b"<<: {a: 1}", "'<<': is not a known key"),
        (b"handle: a\nhandle: b\n", "a.yaml:2: 'handle' is here twice, first in line 1"),
    ],
)
def test_a_file_that_is_no_spec_is_answered_with_one_clear_line(data: bytes, reason: str) -> None:
    found = problems(data)
    assert any(reason in problem for problem in found), found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("{", "a.json:1: is not valid JSON"),
        ('{"a": 1,\n "a": 2}', "a.json:2: 'a' is here twice, first in line 1"),
        ("[1]", "is a list"),
        ("[" * 5000 + "]" * 5000, "nested deeper"),
        ('{"age": NaN}', "NaN is not a JSON value"),
        ('{"age": ' + "9" * 6000 + "}", "age: is not a whole number"),
        ('{"name": "\\ud800"}', "name: contains half of a character"),
        ('{"\\ud800": 1}', "contains half of a character"),
    ],
)
def test_bad_json_is_answered_with_one_clear_line(text: str, reason: str) -> None:
    found = problems(text, "a.json")
    assert any(reason in problem for problem in found), found
    for problem in found:
        problem.encode()  # printable everywhere


def test_a_second_document_an_alias_and_depth_are_one_problem_each() -> None:
    for data in (b"a: 1\n---\nb: 2\n", b"a: &x [1]\nb: *x\n", b"[" * 5000):
        assert len(problems(data)) == 1


def test_an_alias_bomb_is_refused_before_it_expands() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=0)
    )
    assert problems(bomb) == ["a.yaml:2: uses the alias *a; allowed: each value written out"]


def test_ten_megabytes_are_refused_by_size_without_being_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(10 * 1024 * 1024)
    parsed, found = parse_files([huge])
    assert parsed == []
    assert found == [f"{huge}: has 10,485,760 bytes; allowed: at most {MAX_BYTES:,}"]
    assert "bytes; allowed" in problems(b"a" * (MAX_BYTES + 1))[0]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    _, found = parse_files([tmp_path / "none.yaml", tmp_path, Path("/dev/zero")])
    assert len(found) == 3
    assert "none.yaml: cannot be read: No such file" in found[0]
    assert "is a folder" in found[1]
    assert "/dev/zero: has 65,537 bytes" in found[2]


def test_at_most_fifty_syntax_problems_are_listed() -> None:
    text = "\n".join(f"a: {number}" for number in range(500))
    assert len(problems(text)) <= 50


def test_yaml_words_are_not_turned_into_something_else() -> None:
    text = dumped().decode().replace("eye_color: green", "eye_color: no")
    text = text.replace("location: Lisbon", "location: 2026-01-02")
    spec = parse_spec(text.encode(), "a.yaml").spec
    assert (spec.appearance.eye_color, spec.location) == ("no", "2026-01-02")


def test_invisible_characters_are_refused() -> None:
    found = problems(json.dumps(sample_document(name="Lu\u200bna")), "a.json")
    assert "U+200B" in found[0]
