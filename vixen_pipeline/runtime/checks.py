"""Is it ready? One function per kind of process: None when it is, else why not, in one line.

Belongs here: asking, with short time-outs. Does not: waiting, deciding. No Dagster import: its
servers are asked over their public protocols.
"""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.error import URLError

import psycopg

TIMEOUT_S = 5.0
LOCATION_DOES_NOT_LOAD = "the code location does not load"

# Loopback calls must not go to a proxy that the environment names.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

_LOCATIONS = """{ workspaceOrError { __typename ... on Workspace { locationEntries {
  name loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } } }"""


def http_ok(url: str) -> str | None:
    """Whether a GET answers 2xx."""
    try:
        with _opener.open(url, timeout=TIMEOUT_S) as answer:
            return None if answer.status < 300 else f"{url} answers {answer.status}"
    except (URLError, OSError, http.client.HTTPException) as error:
        return f"{url}: {error}"


def location_loaded(webserver_url: str) -> str | None:
    """Whether the webserver has loaded the code location."""
    try:
        document = graphql(webserver_url, _LOCATIONS)
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        return f"the webserver does not answer ({error})"
    entries: list[dict[str, Any]] = document.get("workspaceOrError", {}).get("locationEntries", [])
    for entry in entries:
        found: dict[str, Any] = entry.get("locationOrLoadError") or {}
        if entry.get("loadStatus") != "LOADED" or not found:
            return "the code location is loading"
        if found.get("__typename") == "PythonError":
            message = str(found.get("message", ""))
            if "DagsterUserCodeUnreachableError" in message:
                return "the code server is not reachable yet"
            return f"{LOCATION_DOES_NOT_LOAD}: {_first_sentence(message)}"
    return None if entries else "the workspace has no code location"


def graphql(webserver_url: str, query: str, variables: Mapping[str, object] | None = None) -> Any:
    """`data` of a GraphQL reply. Raises ValueError when it carries errors."""
    body = json.dumps({"query": query, "variables": dict(variables or {})}).encode()
    request = urllib.request.Request(
        f"{webserver_url}/graphql", body, {"Content-Type": "application/json"}
    )
    with _opener.open(request, timeout=TIMEOUT_S) as answer:
        document: dict[str, Any] = json.load(answer)
    if document.get("errors"):
        raise ValueError(document["errors"][0].get("message", "GraphQL error"))
    return document["data"]


def daemon_beats(dagster_url: str, since: float) -> str | None:
    """Whether the sensor daemon's last heartbeat is newer than `since` (epoch seconds)."""
    query = (
        "SELECT max((body::json ->> 'timestamp')::float8) FROM daemon_heartbeats"
        " WHERE daemon_type = 'SENSOR'"
    )
    try:
        with psycopg.connect(dagster_url, connect_timeout=5) as connection:
            made = connection.execute("SELECT to_regclass('daemon_heartbeats')").fetchone()
            if made is None or made[0] is None:
                return "Dagster has not made its tables yet"
            row = connection.execute(query).fetchone()
    except psycopg.Error as error:
        return str(error).splitlines()[0]
    beat = row[0] if row is not None else None
    return None if beat is not None and beat >= since else "no heartbeat yet"


def grpc_serving(target: str) -> str | None:
    """Whether the code server says SERVING, by the standard gRPC health protocol."""
    import grpc

    channel: Any = grpc.insecure_channel(target)
    try:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=bytes,
            response_deserializer=bytes,
        )
        answer = check(b"\x0a\x0aDagsterApi", timeout=2)  # HealthCheckRequest(service="DagsterApi")
    except grpc.RpcError as error:
        return str(getattr(error, "details", error.__str__)())
    finally:
        channel.close()
    return None if answer == b"\x08\x01" else "the code server is not serving yet"


def _first_sentence(message: str) -> str:
    """Of a Dagster error, without the class name in front and the advice behind."""
    text = " ".join(message.split()).removeprefix("dagster._core.errors.")
    return text.split(" Local modules were resolved", 1)[0][:400] or "no reason given"
