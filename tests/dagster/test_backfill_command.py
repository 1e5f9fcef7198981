"""`vixen backfill`: what it sends to Dagster, and what it says when Dagster is not there."""

from __future__ import annotations

from typing import Any

import graphql
import pytest
from dagster_graphql.schema import create_schema
from fastapi import FastAPI, Request
from typer.testing import CliRunner
from vixen_testkit import listening_socket, serve

from vixen_pipeline.cli import backfill, main
from vixen_pipeline.cli.avatar_choice import Choice
from vixen_pipeline.errors import Unavailable


@pytest.mark.parametrize("document", [backfill._LAUNCH, backfill._STATUS])
def test_the_queries_fit_the_schema_of_the_installed_dagster(document: str) -> None:
    schema = create_schema().graphql_schema
    assert graphql.validate(schema, graphql.parse(document)) == []


def test_the_parameters_fit_the_schema_of_the_installed_dagster() -> None:
    kind = create_schema().graphql_schema.type_map["LaunchBackfillParams"]
    params = backfill.backfill_params(
        ["personas", "lora_weights"],
        ["fitness:luna", "fitness:mia"],
        Choice(niche="fitness"),
        "personas+",
    )
    problems: list[str] = []
    graphql.utilities.coerce_input_value(
        params, kind, lambda path, value, error: problems.append(f"{path} {value} {error}")
    )
    assert problems == []
    assert params["title"] == "personas+ of fitness"
    assert {"key": "vixen/niche", "value": "fitness"} in params["tags"]


def test_without_a_running_dagster_it_says_how_to_start_one() -> None:
    with pytest.raises(Unavailable, match="vixen up"):
        backfill._ask("http://127.0.0.1:9", "query { version }", {})


def test_something_else_on_the_port_is_not_taken_for_dagster() -> None:
    app = FastAPI()

    @app.post("/graphql")
    async def graphql_endpoint(request: Request) -> str:
        return "hello"

    with serve(app, listening_socket()) as url, pytest.raises(Unavailable):
        backfill._ask(url + "/elsewhere", "query { version }", {})


def test_waiting_follows_the_backfill_to_its_end() -> None:
    app = FastAPI()
    statuses = iter(["REQUESTED", "REQUESTED", "COMPLETED_FAILED"])

    @app.post("/graphql")
    async def graphql_endpoint(request: Request) -> Any:
        found = {"__typename": "PartitionBackfill", "status": next(statuses), "numPartitions": 2}
        return {"data": {"partitionBackfillOrError": found}}

    with serve(app, listening_socket()) as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(backfill, "LOOK_EVERY_S", 0.01)
        assert backfill._wait(url, "abc") == "COMPLETED_FAILED"


def test_contradicting_options_are_refused() -> None:
    result = CliRunner().invoke(
        main.build_app(), ["backfill", "personas", "--all", "--niche", "fitness"]
    )
    assert result.exit_code == 2
    assert "give one of them" in result.output


def test_a_backfill_of_nobody_is_refused() -> None:
    result = CliRunner().invoke(main.build_app(), ["backfill", "personas"])
    assert result.exit_code == 2
    assert "--avatar KEY, --niche NICHE or --all" in result.output
