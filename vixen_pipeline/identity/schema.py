"""The avatar spec's JSON Schema and reference page. Belongs here: making both from the model.

Does not: fields (spec.py). schemas/avatar-spec.v1.json (shipped, for editors) and
docs/avatar-spec.md are generated; a test fails when one is out of date. Regenerate both, from the
project's root: `python -m vixen_pipeline.identity.schema`.
"""

from __future__ import annotations

import json
from pathlib import Path

from vixen_pipeline.db.base import Json
from vixen_pipeline.identity.spec import AvatarSpec
from vixen_pipeline.identity.spec_errors import allowed_values
from vixen_pipeline.identity.yaml_reader import MAX_BYTES

SCHEMA_FILE = Path(__file__).parent / "schemas" / "avatar-spec.v1.json"
REFERENCE_FILE = Path("docs") / "avatar-spec.md"

_HEAD = f"""# The avatar spec, format version 1

One avatar per file, YAML or JSON, UTF-8, at most {MAX_BYTES:,} bytes. `vixen avatar add FILE...`
takes all files or none; every problem is named with file, line, reason and what is allowed.
Complete examples: [examples/avatars](../examples/avatars). For completion and checks while typing,
begin a YAML file with the line that the examples begin with, or put the schema's path under
`"$schema"` in JSON; `vixen avatar schema` prints it.

- The key of the avatar is `niche:handle`. It never changes: another niche is another avatar.
- Adding the same spec again changes nothing. A changed spec is a new version; only what is made
  from the changed parts is made again (a new price list touches neither persona nor looks).
- YAML is read by its 1.2 rules: only `true` and `false` are booleans, `no` and dates are text.
  Aliases, tags, a second document and keys that are there twice are refused.
- Every text is held to the avatar policy ([decision 6](decisions/0006-wording-policy.md)): adults
  only, nothing sexual, no real person without a recorded consent (`vixen avatar consent add`).
  `hard_limits` and `prohibited_topics` may name what they forbid ("no nudity").
- `disclosure` must say that this is AI, in any language; left out, a default text does.

"""


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


def reference_text() -> str:
    """The reference page as docs/ has it."""
    schema = AvatarSpec.model_json_schema()
    parts = [_HEAD, "## Top level\n\n", _table(schema, ())]
    for name in ("personality", "appearance", "prices", "likeness"):
        node = schema["$defs"][name.title()]
        parts += [f"\n## {name}\n\n{node['description']}\n\n", _table(node, (name,))]
    return "".join(parts)


def _table(node: Json, path: tuple[str, ...]) -> str:
    rows = ["| field | needed | allowed | meaning |\n|---|---|---|---|\n"]
    for name, field in node["properties"].items():
        needed = "yes" if name in node["required"] else "no"
        section = path == () and name in ("personality", "appearance", "prices", "likeness")
        allowed = f"see [{name}](#{name})" if section else allowed_values((*path, name))
        rows.append(f"| `{name}` | {needed} | {allowed} | {field.get('description', '')} |\n")
    return "".join(rows)


if __name__ == "__main__":
    REFERENCE_FILE.write_text(reference_text(), "utf-8")
    SCHEMA_FILE.parent.mkdir(exist_ok=True)
    SCHEMA_FILE.write_text(schema_text(), "utf-8")
