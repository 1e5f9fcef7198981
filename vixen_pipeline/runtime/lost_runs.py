"""Runs that Dagster takes for running although their process died with the last supervisor.

Belongs here: closing their books after a start on one machine, so that they hold no queue place and
no pool slot until the time limit. Does not: redoing their work; the sensors ask for what is left.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.error import URLError

from vixen_pipeline.runtime.checks import graphql

_OPEN = """query Open($filter: RunsFilter!) { runsOrError(filter: $filter, limit: 200) {
  ... on Runs { results { runId jobName creationTime } } } }"""
_CLOSE = """mutation Close($ids: [String!]!) {
  terminateRuns(runIds: $ids, terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) { __typename } }"""


def close(webserver_url: str, *, before: float) -> Iterator[str]:
    """Cancel the runs in progress that began before `before` (epoch s); one line when there are
    any. No process of the former instance lives when this is called, so none of them does."""
    try:
        statuses = ["STARTING", "STARTED", "CANCELING"]
        found = graphql(webserver_url, _OPEN, {"filter": {"statuses": statuses}})
        runs = found["runsOrError"].get("results", [])
        ids = [run["runId"] for run in runs if run["creationTime"] < before]
        if ids:
            graphql(webserver_url, _CLOSE, {"ids": ids})
            yield f"{len(ids)} runs had lost their process and were closed"
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        yield f"runs that lost their process could not be closed ({error})"
