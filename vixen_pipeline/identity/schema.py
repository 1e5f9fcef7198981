"""The JSON Schema of the avatar spec, for editors. Belongs here: making it and finding the file.

Does not: fields (spec.py). The file in schemas/ is generated; `vixen avatar schema` prints it and
a test fails when it is out of date. Regenerate: `python -m vixen_pipeline.identity.schema`.
"""

from __future__ import annotations

import json
from pathlib import Path

from vixen_pipeline.db.base import Json
from vixen_pipeline.identity.spec import AvatarSpec

SCHEMA_FILE = Path(__file__).parent / "schemas" / "avatar-spec.v1.json"


def avatar_schema() -> Json:
    """JSON Schema (draft 2020-12) of a spec file."""
    schema = AvatarSpec.model_json_schema()
    properties = {
        "$schema": {"type": "string", "description": "Where an editor finds this schema"},
        **schema.pop("properties"),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Vixen avatar spec, format version 1",
        "properties": properties,
        **{name: value for name, value in schema.items() if name != "title"},
    }


def schema_text() -> str:
    """The schema as the shipped file has it."""
    return json.dumps(avatar_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.parent.mkdir(exist_ok=True)
    SCHEMA_FILE.write_text(schema_text(), "utf-8")
