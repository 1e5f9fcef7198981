"""Errors of the database are logged and kept, so they must not quote what was sent."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import Unavailable


def test_the_text_of_a_database_error_has_no_parameters(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught, database.begin() as session:
        session.execute(text("SELECT CAST(:dm AS text) FROM nowhere"), {"dm": "a private message"})
    assert "nowhere" in str(caught.value)
    assert "a private message" not in str(caught.value)


def test_a_full_disk_of_the_server_is_told_as_something_that_passes(database: Database) -> None:
    full = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
    with pytest.raises(Unavailable, match="short of resources"), database.begin() as session:
        session.execute(text(full))
