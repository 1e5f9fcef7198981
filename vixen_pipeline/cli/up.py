"""`vixen up`: run everything on this machine until Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from vixen_pipeline.cli.console import JsonOption, line, note, print_json, settings_for_command


def register(app: typer.Typer) -> None:
    """Add `vixen up`."""
    app.command("up")(up)


def up(
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Without the Dagster UI.")] = False,
    no_dagster: Annotated[
        bool, typer.Option("--no-dagster", help="Only database, sandbox and gateway.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start database, sandbox, gateway and Dagster, and keep them running until Ctrl-C.

    Whatever dies is started again. A default port that is taken is replaced by the next free one.
    Logs are in VIXEN_HOME/logs; addresses and generated secrets in VIXEN_HOME/runtime.json.
    Exit code 5: another one already runs in this folder. 6: something does not start.
    """
    from vixen_pipeline.runtime.supervisor import Supervisor

    settings = settings_for_command()
    supervisor = Supervisor(settings, on_event=note, ui=not no_ui, dagster=not no_dagster)
    supervisor.start()
    try:
        if as_json:
            print_json({"home": str(supervisor.home), "urls": supervisor.urls})
        else:
            for name, url in supervisor.urls.items():
                line(f"{name:<10} {url}")
            note("Everything is up. Ctrl-C stops it.")
        supervisor.wait()
        note("stopping")
    finally:
        supervisor.stop()
