"""Which assets a selection means, for commands.

Belongs here: Dagster's own selection syntax, resolved and sorted into what is partitioned by
avatar and what is not. Does not: running anything. `python -m assets.selection 'personas+'` prints
the answer as JSON for commands of the core, which knows no Dagster.

The syntax is that of the search box in the UI, where a bare name may stand for `key:"name"`, `*`
for `+`, and a comma for `or`: `personas+`, `*lora_weights`, `group:identity`, `kind:replicate`,
`personas, provider_costs`, `2+lora_weights and not personas`.
"""

# Dagster's asset graph is generic without bounds for the checker at this edge.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import difflib
import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import dagster as dg

from resources.core import default_resources
from vixen_pipeline.cli.console import error_document, print_json
from vixen_pipeline.errors import InvalidInput, VixenError


@dataclass(frozen=True, slots=True)
class Selected:
    """Asset names in the order in which they are made."""

    partitioned: tuple[str, ...]
    unpartitioned: tuple[str, ...]


_QUOTED = re.compile(r'("[^"]*")')
_BARE = re.compile(r"(?<![\w:])(?!(?:and|or|not)\b)([A-Za-z_]\w*)(?![\w:(])")


def spelled_out(selection: str) -> str:
    """The selection in Dagster's full syntax.

    >>> spelled_out("*lora_weights, personas+ and not group:content")
    '+key:"lora_weights" or key:"personas"+ and not group:content'
    """
    if selection.strip() == "*":
        return "*"
    parts = _QUOTED.split(selection.replace("*", "+"))
    parts[::2] = [_BARE.sub(r'key:"\1"', part.replace(",", " or ")) for part in parts[::2]]
    return re.sub(r" +", " ", "".join(parts)).strip()


def resolve(assets: Sequence[dg.AssetsDefinition | dg.AssetSpec], selection: str) -> Selected:
    """Raises InvalidInput when the syntax is wrong, a name is unknown or nothing is selected."""
    graph = dg.Definitions(assets=assets, resources=default_resources()).resolve_asset_graph()
    names = {key.to_user_string() for key in graph.materializable_asset_keys}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=dg.BetaWarning)
            keys = dg.AssetSelection.from_string(spelled_out(selection)).resolve(graph)
    except (dg.DagsterError, ValueError, NotImplementedError) as error:
        raise _wrong(selection, names) from error
    chosen = [key for key in graph.toposorted_asset_keys if key in keys]
    made = [key for key in chosen if key in graph.materializable_asset_keys]
    if not made:
        raise _wrong(selection, names)
    partitioned = [key for key in made if graph.get(key).is_partitioned]
    return Selected(
        tuple(key.to_user_string() for key in partitioned),
        tuple(key.to_user_string() for key in made if key not in partitioned),
    )


def _wrong(selection: str, names: set[str]) -> InvalidInput:
    near = difflib.get_close_matches(selection.strip("*+"), names, n=3)
    meant = f"Did you mean {', '.join(near)}? " if near else ""
    return InvalidInput(
        "selection",
        [f"{selection!r} selects no asset that can be made"],
        next_step=f"{meant}Examples: personas, personas+, *lora_weights, group:identity. "
        f"Assets: {', '.join(sorted(names))}.",
    )


def main(argv: Sequence[str]) -> int:
    """The process edge: a selection in, JSON and an exit code out."""
    from assets.catalog import ASSETS

    try:
        print_json(asdict(resolve(ASSETS, argv[0])))
    except VixenError as error:
        print_json(error_document(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
