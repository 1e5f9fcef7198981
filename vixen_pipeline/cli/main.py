"""The `vixen` command: which modules add commands, and the process edge.

Belongs here: the list of command modules, options of the whole command, what `--help` ends with.
Does not: any command. A command module exposes `register(app)` and imports heavy things inside
its functions, because every call of `vixen` imports all of them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Annotated, cast

import typer

from vixen_pipeline.cli.console import EXIT_CODES, CommandGroup, Register

COMMAND_MODULES = (
    "up",
    "demo",
    "avatar",
    "materialize",
    "backfill",
    "costs",
    "report",
    "sql",
    "inbox",
    "effects",
    "doctor",
    "db",
    "bench",
    "content",
    "content_plan",
)
"""In the order `vixen --help` shows them, commands before groups of commands. `content_plan` hangs
on the group that `content` makes, so it comes after it."""

_EPILOG = "\b\nExit codes:\n" + "\n".join(f"{code:>5}  {text}" for code, text in EXIT_CODES.items())


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"vixen-pipeline {version('vixen-pipeline')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Run virtual creators as one asset graph, from a described avatar to what it earns.

    Start with `vixen doctor` and `vixen up`; settings are VIXEN_* variables, listed by
    `vixen doctor`, and may stand in a file `.env` in the current folder.
    """


def build_app() -> typer.Typer:
    """The command with everything that is installed hanging on it."""
    app = typer.Typer(
        name="vixen",
        cls=CommandGroup,
        no_args_is_help=True,
        epilog=_EPILOG,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name in COMMAND_MODULES:
        module = f"vixen_pipeline.cli.{name}"
        if importlib.util.find_spec(module) is not None:
            cast("Register", importlib.import_module(module).register)(app)
    return app


app = build_app()


def _load_env_file() -> None:
    """`VIXEN_*` lines of `./.env`, below the environment itself; other names are not ours."""
    from pathlib import Path

    if not Path(".env").is_file():
        return
    import os

    from dotenv import dotenv_values

    for name, value in dotenv_values(".env").items():
        if name.startswith("VIXEN_") and value:
            os.environ.setdefault(name, value)


def main() -> None:
    """Entry point of `vixen`."""
    _load_env_file()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
