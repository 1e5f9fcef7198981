"""Whatever comes in as a spec is read or refused with reasons; nothing else is raised."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from spec_samples import sample_document

from vixen_pipeline.errors import InvalidInput
from vixen_pipeline.identity.spec import AvatarSpec
from vixen_pipeline.identity.spec_parse import parse_spec


def problems(data: bytes | str, source: str = "a.yaml", **consents: str) -> list[str]:
    raw = data.encode() if isinstance(data, str) else data
    with pytest.raises(InvalidInput) as caught:
        parse_spec(raw, source, consents)
    return list(caught.value.problems)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_raise_anything_else(data: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_spec(data, "fuzz")
    assert caught.value.problems


YAML_TOKENS = ["a", "- ", "? ", ": ", "\n", "  ", "[", "]", "{", "}", "&x ", "*x", "!t ", '"', "'"]
YAML_TOKENS += ["|", ">", "#", "---", "...", "%YAML 1.2", "\t", "age: 3", "<<: ", "é", "~", "1e9"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(YAML_TOKENS), max_size=40))
def test_arbitrary_yaml_never_raises_anything_else(tokens: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_spec("".join(tokens).encode(), "fuzz")
    assert caught.value.problems


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = sorted(AvatarSpec.model_fields)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), plain, min_size=1), st.booleans())
def test_any_values_in_the_fields_are_accepted_or_named(
    changes: dict[str, Any], as_json: bool
) -> None:
    document = sample_document(**changes)
    text = json.dumps(document) if as_json else yaml.safe_dump(document, allow_unicode=True)
    try:
        parsed = parse_spec(text.encode("utf-8", "surrogatepass"), "fuzz")
    except InvalidInput as error:
        assert error.problems
        for problem in error.problems:
            problem.encode()
    else:
        assert AvatarSpec.model_validate(parsed.spec.document()) == parsed.spec


@settings(deadline=None)
@given(st.sampled_from(sorted(sample_document())), st.integers(min_value=0, max_value=30))
def test_a_missing_field_is_named_alone(field: str, _: int) -> None:
    document = sample_document()
    del document[field]
    optional = not AvatarSpec.model_fields[field].is_required()
    if optional:
        assert parse_spec(yaml.safe_dump(document).encode(), "a.yaml")
    else:
        found = problems(yaml.safe_dump(document))
        assert len(found) == 1
        assert f"{field}: is missing; allowed:" in found[0]
