"""One instance for the tests of a file: starting one costs more than most of what they do."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from instance import Instance, running_instance


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Generator[Instance]:
    home: Path = tmp_path_factory.mktemp("instance") / "home"
    with running_instance(home, None, "--no-ui") as running:
        yield running
