"""Which avatars `--avatar`, `--niche` and `--all` mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from vixen_pipeline.cli.avatar_choice import Choice, resolve_choice
from vixen_pipeline.errors import InvalidInput, NotFound, UserError
from vixen_pipeline.identity.registry import register_landed, set_archived
from vixen_pipeline.identity.spec_files import add_files
from vixen_pipeline.services import Services

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples" / "avatars").glob("*.yaml"))


@pytest.fixture
def keys(services: Services) -> list[str]:
    """Two registered avatars and a third that has only landed."""
    landed = [found.key for found in add_files(services, EXAMPLES[:2])]
    register_landed(services)
    return landed + [found.key for found in add_files(services, EXAMPLES[2:3])]


def test_all_means_every_active_avatar_landed_ones_too(services: Services, keys: list[str]) -> None:
    assert sorted(resolve_choice(services, Choice(everyone=True))) == sorted(keys)
    set_archived(services, keys[0], archived=True)
    assert keys[0] not in resolve_choice(services, Choice(everyone=True))


def test_an_archived_avatar_can_still_be_named(services: Services, keys: list[str]) -> None:
    set_archived(services, keys[0], archived=True)
    assert resolve_choice(services, Choice((keys[0],))) == [keys[0]]


def test_a_niche_means_its_avatars(services: Services, keys: list[str]) -> None:
    niche = keys[1].partition(":")[0]
    found = resolve_choice(services, Choice(niche=niche))
    assert found == [key for key in keys if key.startswith(f"{niche}:")]


def test_nobody_is_meant_when_nothing_is_given(services: Services, keys: list[str]) -> None:
    assert resolve_choice(services, Choice()) == []


def test_all_unknown_keys_are_named_at_once_with_what_comes_close(
    services: Services, keys: list[str]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve_choice(services, Choice((keys[0][:-1], "a:b", keys[1])))
    assert len(caught.value.problems) == 2
    assert f"Did you mean {keys[0]}" in caught.value.problems[0]


def test_a_niche_without_avatars_is_answered_with_the_niches_there_are(
    services: Services, keys: list[str]
) -> None:
    with pytest.raises(NotFound, match=keys[0].partition(":")[0]):
        resolve_choice(services, Choice(niche="chess"))


def test_an_empty_instance_says_how_to_add_one(services: Services) -> None:
    with pytest.raises(NotFound, match="vixen avatar add"):
        resolve_choice(services, Choice(everyone=True))


def test_the_three_ways_exclude_each_other() -> None:
    with pytest.raises(UserError):
        Choice.of(["a:b"], None, True)
    assert Choice.of(["a:b", "a:b"], None, False).avatars == ("a:b",)
