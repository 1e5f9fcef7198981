"""Spec files into landed specs: all of them, or none with every problem named.

Belongs here: the one way files come in, for the command, the demo and tests. Does not: parsing
(spec_parse), the transaction (registry).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vixen_pipeline.errors import InvalidInput
from vixen_pipeline.identity.registry import LandResult, handle_problems, land_specs
from vixen_pipeline.identity.spec_consents import consents_on_record
from vixen_pipeline.identity.spec_parse import NEXT_STEP, parse_files

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


def add_files(services: Services, paths: Sequence[Path]) -> list[LandResult]:
    """Land the specs of `paths`, in order. A spec that is landed already is "unchanged".

    Raises InvalidInput with every problem of every file, and then nothing was written.
    """
    with services.database.begin() as session:
        consents = consents_on_record(session)
    parsed, problems = parse_files(paths, consents)
    if problems:
        # Say at once what landing would refuse in the files that are fine by themselves.
        with services.database.begin() as session:
            problems += handle_problems(session, parsed)
        raise InvalidInput("avatar specs", problems, next_step=NEXT_STEP)
    return land_specs(services, parsed)
