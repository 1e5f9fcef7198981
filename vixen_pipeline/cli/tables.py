"""Rows as table, JSON or CSV. Belongs here: the formats of `sql` and `report`. Not: queries."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from enum import StrEnum

from vixen_pipeline.cli.console import cell, print_json, print_table


class Format(StrEnum):
    """How rows are printed."""

    table = "table"
    json = "json"
    csv = "csv"


def print_rows(fmt: Format, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows; JSON is a list of objects with the columns as names."""
    match fmt:
        case Format.table:
            print_table(columns, rows)
        case Format.json:
            print_json([dict(zip(columns, row, strict=True)) for row in rows])
        case Format.csv:
            import typer

            typer.echo(csv_text(columns, rows), nl=False)


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """RFC 4180, with a header, values as in the table."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return output.getvalue()
