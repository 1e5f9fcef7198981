"""`vixen backfill`: let the daemon make assets of many avatars, visible as one backfill."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from vixen_pipeline.cli.console import JsonOption, line, note, print_json, services_for_command
from vixen_pipeline.cli.materialize import AllOption, AvatarOption, NicheOption, SelectionArgument
from vixen_pipeline.errors import InvalidInput, StageFailed, Unavailable, UserError

if TYPE_CHECKING:
    from vixen_pipeline.cli.avatar_choice import Choice

TIMEOUT_S = 30.0
LOOK_EVERY_S = 2.0
ENDED = frozenset({"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"})
SUCCEEDED = frozenset({"COMPLETED", "COMPLETED_SUCCESS"})

_LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
    ... on UnauthorizedError { message }
    ... on PartitionKeysNotFoundError { message }
    ... on InvalidSubsetError { message }
    ... on NoModeProvidedError { message }
    ... on ConflictingExecutionParamsError { message }
  }
}
"""
_STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    __typename
    ... on PartitionBackfill { status numPartitions error { message } }
    ... on BackfillNotFoundError { message }
    ... on PythonError { message }
  }
}
"""


def register(app: typer.Typer) -> None:
    """Add `vixen backfill`."""
    app.command()(backfill)


def backfill(
    selection: SelectionArgument,
    avatar: AvatarOption = None,
    niche: NicheOption = None,
    everyone: AllOption = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until it ends; exit 1 if it fails.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start a backfill in the running Dagster (`vixen up`), watchable and stoppable in its UI."""
    from vixen_pipeline.cli.avatar_choice import Choice, resolve_choice
    from vixen_pipeline.cli.ring import environment

    choice = Choice.of(avatar, niche, everyone)
    if choice.empty:
        raise UserError(
            "a backfill needs avatars.", next_step="Add --avatar KEY, --niche NICHE or --all."
        )
    with services_for_command() as services:
        keys = resolve_choice(services, choice)
        base = services.settings.dagster_url
        names = partitioned_assets(selection, environment(services))
    reply = _ask(base, _LAUNCH, {"params": backfill_params(names, keys, choice, selection)})
    launched = cast("dict[str, Any]", reply["launchPartitionBackfill"])
    if launched["__typename"] != "LaunchBackfillSuccess":
        raise UserError(
            f"Dagster refuses the backfill: {launched.get('message', launched['__typename'])}",
            next_step="A new avatar becomes a partition within seconds of `vixen avatar add`.",
        )
    identifier = str(launched["backfillId"])
    url = f"{base}/runs/b/{identifier}"
    status = _wait(base, identifier) if wait else None
    if as_json:
        print_json(
            {"backfill": identifier, "url": url, "avatars": keys, "assets": names, "status": status}
        )
    else:
        line(f"{identifier}: {', '.join(names)} of {len(keys)} avatars")
        line(url)
    if status is not None and status not in SUCCEEDED:
        raise StageFailed("backfill", f"the backfill ended as {status}.", next_step=f"See {url}.")


def partitioned_assets(selection: str, env: Mapping[str, str]) -> list[str]:
    """The assets per avatar that a selection means. Raises InvalidInput when there is none."""
    from vixen_pipeline.cli.ring import ask_module

    answer = cast("dict[str, Any]", json.loads(ask_module("assets.selection", selection, env)))
    if "error" in answer:
        said = answer["error"]
        raise InvalidInput("selection", said["problems"], next_step=said["next_step"])
    if not answer["partitioned"]:
        raise InvalidInput(
            "selection",
            [f"{selection!r} is not made per avatar: {', '.join(answer['unpartitioned'])}"],
            next_step="`vixen materialize` makes it.",
        )
    return list(answer["partitioned"])


def backfill_params(
    names: list[str], keys: list[str], choice: Choice, selection: str
) -> dict[str, object]:
    """What `launchPartitionBackfill` takes; the niche is a tag, so that the UI can filter by it."""
    whom = choice.niche or ("all avatars" if choice.everyone else f"{len(keys)} avatars")
    tags = [{"key": "vixen/by", "value": "vixen backfill"}]
    if choice.niche is not None:
        tags.append({"key": "vixen/niche", "value": choice.niche})
    return {
        "partitionNames": keys,
        "assetSelection": [{"path": [name]} for name in names],
        "title": f"{selection} of {whom}"[:200],
        "tags": tags,
        "fromFailure": False,
    }


def _wait(base: str, identifier: str) -> str:
    """Poll until the backfill has ended; returns its status."""
    said = ""
    while True:
        reply = _ask(base, _STATUS, {"id": identifier})
        found = cast("dict[str, Any]", reply["partitionBackfillOrError"])
        if found["__typename"] != "PartitionBackfill":
            raise UserError(f"backfill {identifier}: {found.get('message', 'not found')}")
        status = str(found["status"])
        if status != said:
            note(f"{identifier}: {status.lower().replace('_', ' ')}")
            said = status
        if status in ENDED:
            return status
        time.sleep(LOOK_EVERY_S)


def _ask(base: str, query: str, variables: Mapping[str, object]) -> dict[str, Any]:
    """One GraphQL request. Raises Unavailable when Dagster does not answer as Dagster."""
    import httpx

    try:
        reply = httpx.post(
            f"{base}/graphql", json={"query": query, "variables": variables}, timeout=TIMEOUT_S
        )
        reply.raise_for_status()
        document = cast("dict[str, Any]", reply.json())
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(
            f"Dagster does not answer at {base} ({error}).",
            next_step="Start it with `vixen up`, or use `vixen materialize`: it needs no daemon.",
        ) from error
    if document.get("errors"):
        raise Unavailable(f"Dagster at {base} refuses: {document['errors'][0]['message']}")
    return cast("dict[str, Any]", document["data"])
