"""One instance for all of these tests: starting one costs as much as making an avatar."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("avatar_facts")  # or a failed assertion there shows no values

from instance import Instance, running_instance  # noqa: E402


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Generator[Instance]:
    home: Path = tmp_path_factory.mktemp("instance") / "home"
    with running_instance(home, None, "--no-ui") as running:
        yield running
