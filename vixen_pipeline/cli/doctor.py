"""`vixen doctor`: is everything as it must be, and if not, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from vixen_pipeline.cli.console import (
    JsonOption,
    line,
    print_json,
    print_table,
    settings_for_command,
)

if TYPE_CHECKING:
    from vixen_pipeline.cli.doctor_checks import Finding
    from vixen_pipeline.settings import Settings


def register(app: typer.Typer) -> None:
    """Add `vixen doctor`."""
    app.command("doctor")(doctor)


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Ask no provider.")] = False,
    show_settings: Annotated[
        bool, typer.Option("--settings", help="List every setting and its value instead.")
    ] = False,
    env_example: Annotated[
        bool, typer.Option("--env-example", help="Print .env.example instead.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check settings, tools, database, schema, processes, providers, clock; changes nothing.

    Exit code 1 when anything has failed; warnings alone do not count.
    """
    if env_example:
        from vixen_pipeline.cli.envexample import env_example as text

        typer.echo(text(), nl=False)
        return
    settings = settings_for_command()
    if show_settings:
        _print_settings(settings, as_json=as_json)
        return
    findings = list(_findings(settings, offline=offline))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    if any(finding.level == "failed" for finding in findings):
        raise typer.Exit(1)


def _findings(settings: Settings, *, offline: bool) -> Iterator[Finding]:
    from vixen_pipeline.cli import doctor_checks as checks
    from vixen_pipeline.cli.doctor_content import content_findings

    yield from checks.settings_findings(settings)
    yield from content_findings(settings)
    yield from checks.folder_findings(settings)
    yield from checks.database_findings(settings)
    yield from checks.process_findings(settings)
    if not offline:
        from vixen_pipeline.cli.doctor_providers import provider_findings

        yield from provider_findings(settings)


def _print(findings: list[Finding]) -> None:
    colors = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "failed": typer.colors.RED}
    for finding in findings:
        level = typer.style(f"{finding.level:<8}", fg=colors[finding.level])
        line(f"{level} {finding.area:<10} {finding.message}")
        if finding.level != "ok" and finding.next_step:
            line(f"{'':<19} → {finding.next_step}")


def _print_settings(settings: Settings, *, as_json: bool) -> None:
    """Values as they are in force; of secrets only whether they are set."""
    from pydantic import SecretStr

    rows: list[tuple[str, str, str]] = []
    for name, field in type(settings).model_fields.items():
        value: object = getattr(settings, name)
        shown = "(set)" if isinstance(value, SecretStr) else "" if value is None else str(value)
        rows.append((f"VIXEN_{name.upper()}", shown, field.description or ""))
    if as_json:
        print_json({name: value for name, value, _ in rows})
    else:
        print_table(("setting", "value", "meaning"), rows)
