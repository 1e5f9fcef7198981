"""What a person may type to choose assets."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster_fakes import fake_system

from assets.factory import system_assets
from assets.selection import resolve, spelled_out
from vixen_pipeline.errors import InvalidInput


@dg.asset(group_name="operations", kinds={"sql"})
def costs() -> None: ...


ASSETS = [system_assets(fake_system()), costs, dg.AssetSpec("outside")]


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        ("*", "first second third costs"),
        ("first", "first"),
        ("first+", "first second third"),
        ("*third", "first second third"),
        ("1+third", "second third"),
        ("group:fakes", "first second third"),
        ("third, costs", "third costs"),
        ("second or costs", "second costs"),
        ("first+ and not second", "first third"),
        ("kind:sql", "costs"),
        ('key:"first"+', "first second third"),
        ("roots(group:fakes)", "first"),
    ],
)
def test_a_selection_means_these_assets_in_the_order_they_are_made(
    selection: str, names: str
) -> None:
    found = resolve(ASSETS, selection)
    assert " ".join(found.partitioned + found.unpartitioned) == names


@pytest.mark.parametrize("selection", ["nope", "((", "outside", "", "a:b", "group:"])
def test_a_selection_of_nothing_is_refused_with_examples(selection: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve(ASSETS, selection)
    assert repr(selection) in caught.value.problems[0]
    assert "group:identity" in str(caught.value)
    assert "first" in str(caught.value)


def test_a_misspelled_name_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(InvalidInput, match="Did you mean third"):
        resolve(ASSETS, "thrid+")


def test_bare_names_become_keys_and_nothing_else_changes() -> None:
    assert spelled_out("*a, b+ and not group:c") == '+key:"a" or key:"b"+ and not group:c'
    assert spelled_out('key:"a b" or d') == 'key:"a b" or key:"d"'
