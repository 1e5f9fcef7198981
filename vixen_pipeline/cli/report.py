"""`vixen report`: the state of the whole operation on one page, for people and for scripts."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vixen_pipeline.cli.console import (
    JsonOption,
    cell,
    jsonable,
    line,
    print_table,
    services_for_command,
)
from vixen_pipeline.cli.tables import csv_text

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


class ReportFormat(StrEnum):
    """How the report is written."""

    table = "table"
    json = "json"
    csv = "csv"
    html = "html"


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the report. `name` is stable: it is the JSON key and the CSV's first column."""

    name: str
    title: str
    query: str


SECTIONS = (
    Section(
        "avatars",
        "Avatars",
        """SELECT s.avatar, s.status, s.since, COALESCE(c.usd, 0) AS usd
           FROM report.identity_status s
           LEFT JOIN (SELECT avatar, sum(usd) AS usd FROM report.costs GROUP BY 1) c USING (avatar)
           ORDER BY s.avatar""",
    ),
    Section(
        "content",
        "Content",
        """SELECT avatar, status, plans, plans_open, pieces_ready, pieces_pending, pieces_rejected
           FROM report.content_status ORDER BY avatar""",
    ),
    Section(
        "costs_by_provider",
        "Costs by provider",
        "SELECT provider, sum(usd) AS usd FROM report.costs GROUP BY 1 ORDER BY 2 DESC",
    ),
    Section(
        "costs_by_day",
        "Costs of the last 30 days",
        """SELECT day, sum(usd) AS usd FROM report.costs
           WHERE day > (now() AT TIME ZONE 'UTC')::date - 30 GROUP BY 1 ORDER BY 1 DESC""",
    ),
    Section(
        "dead_letters",
        "Dead letters: bring back with `vixen inbox replay`",
        """SELECT event, provider, attempts, error, received_at
           FROM report.dead_letters ORDER BY event""",
    ),
    Section(
        "effects_overdue",
        "Effects past their deadline: ask with `vixen effects reconcile --unknown`",
        """SELECT effect, kind, avatar, state, attempts, deadline, error
           FROM report.effects_overdue ORDER BY deadline""",
    ),
)

Table = tuple[list[str], list[tuple[object, ...]]]


def register(app: typer.Typer) -> None:
    """Add `vixen report`."""
    app.command("report")(report)


def report(
    fmt: Annotated[
        ReportFormat, typer.Option("--format", "-f", help="How to write it.")
    ] = ReportFormat.table,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Into this file, not to the terminal.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Report avatars, costs and what needs attention."""
    with services_for_command() as services:
        tables = read(services)
    chosen = ReportFormat.json if as_json else fmt
    if chosen is ReportFormat.table and output is None:
        _print(tables)
        return
    text = render(chosen, tables)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text)


def read(services: Services) -> dict[str, Table]:
    """Columns and rows of each section, all as of one moment."""
    from sqlalchemy import text

    tables: dict[str, Table] = {}
    with services.database.begin() as session:
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        for section in SECTIONS:
            result = session.execute(text(section.query))
            tables[section.name] = (list(result.keys()), [tuple(row) for row in result])
    return tables


def render(fmt: ReportFormat, tables: dict[str, Table]) -> str:
    """The whole report as text."""
    match fmt:
        case ReportFormat.json:
            return _json(tables)
        case ReportFormat.csv:
            return _csv(tables)
        case ReportFormat.html:
            return _html(tables)
        case ReportFormat.table:
            parts = [f"{section.title}\n{csv_text(*tables[section.name])}" for section in SECTIONS]
            return "\n".join(parts)


def _print(tables: dict[str, Table]) -> None:
    for section in SECTIONS:
        columns, rows = tables[section.name]
        line(section.title if rows else f"{section.title.partition(':')[0]}: none")
        if rows:
            print_table(columns, rows)
        line("")


def _json(tables: dict[str, Table]) -> str:
    import json

    document = {
        name: [dict(zip(columns, row, strict=True)) for row in rows]
        for name, (columns, rows) in tables.items()
    }
    return json.dumps(document, indent=2, default=jsonable, ensure_ascii=False) + "\n"


def _csv(tables: dict[str, Table]) -> str:
    """One long table, because a CSV file holds one: section, row, column, value."""
    rows = [
        (name, number, column, value)
        for name, (columns, rows) in tables.items()
        for number, row in enumerate(rows, start=1)
        for column, value in zip(columns, row, strict=True)
    ]
    return csv_text(("section", "row", "column", "value"), rows)


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Vixen report</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem }}
table {{ border-collapse: collapse; width: 100% }} h2 {{ margin-top: 2rem; font-size: 1.1rem }}
th, td {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd }}
</style>
<h1>Vixen report</h1><p>{moment} UTC</p>
{sections}
</html>
"""


def _html(tables: dict[str, Table]) -> str:
    sections = "\n".join(_html_section(s, *tables[s.name]) for s in SECTIONS)
    moment = datetime.now(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    return _PAGE.format(moment=moment, sections=sections)


def _html_section(section: Section, columns: list[str], rows: list[tuple[object, ...]]) -> str:
    title = f"<h2>{html.escape(section.title)}</h2>"
    if not rows:
        return f"{title}<p>None.</p>"
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell(value))}</td>' for value in row)}</tr>"
        for row in rows
    )
    return f"{title}<table><tr>{head}</tr>{body}</table>"
