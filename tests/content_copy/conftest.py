"""Services with fakes of the text providers, closed at the end."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from content_kit_copy import answer
from persona_kit import Make, fake_services

from vixen_pipeline.db.session import Database
from vixen_pipeline.providers.fakes import FakeTextModel
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings


@pytest.fixture
def make(settings: Settings, database: Database) -> Generator[Make]:
    made: list[Services] = []

    def build(**fakes: object) -> Services:
        fakes.setdefault("text", FakeTextModel(lambda _schema, _system, prompt: answer(prompt)))
        made.append(fake_services(settings, database, **fakes))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for services in made:
        services.close()
