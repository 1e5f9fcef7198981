"""The commands that errors and checks tell people to type are commands that exist and do it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from guard_paths import ROOT
from typer.main import get_command

from vixen_pipeline.cli.main import app
from vixen_pipeline.identity.stage_run import StageRun
from vixen_pipeline.identity.training_settle import another_attempt
from vixen_pipeline.identity.weights_rows import refused_next_step

KEY = "fitness:luna"
PLACES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "assets").glob("*.py")]
COMMAND = re.compile(r"`vixen ((?:inbox|effects) (?:list|show|replay|reconcile)[^`]*)`")


def steps_after_a_failure_for_good() -> list[str]:
    run = StageRun(cast(Any, None), "personas", [])
    avatar = cast(Any, SimpleNamespace(key=KEY))
    return [run.by_hand(avatar), another_attempt(KEY), refused_next_step(KEY)]


@pytest.mark.parametrize("step", steps_after_a_failure_for_good())
def test_a_failure_for_good_names_a_command_that_tries_it_again(step: str) -> None:
    commands = re.findall(r"`vixen materialize ([^`]+)`", step)
    assert commands
    for typed in commands:
        assert parse("materialize", shlex.split(typed))["retry_failed"] is True


@pytest.mark.parametrize("place", PLACES, ids=lambda path: path.name)
def test_commands_that_are_written_down_can_be_typed(place: Path) -> None:
    for typed in COMMAND.findall(place.read_text()):
        group, name, *arguments = shlex.split(typed)
        given = parse(group, [name, *("1" if word == "ID" else word for word in arguments)])
        if name == "reconcile":
            assert given["effects"] or given["unknown"], f"{place.name}: {typed}"


def parse(name: str, arguments: list[str]) -> dict[str, Any]:
    """The parameters of a command, read but not run. Raises click's UsageError."""
    found: Any = cast(Any, get_command(app)).commands[name]
    while hasattr(found, "commands"):
        found, arguments = found.commands[arguments[0]], arguments[1:]
    return found.make_context(name, list(arguments)).params
