"""`.env.example`, made from the settings themselves, so that it cannot be out of date.

`vixen doctor --env-example > .env.example`
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from vixen_pipeline.settings import Settings

_HEADER = """\
# Settings of Vixen Pipeline: copy this file to .env, in the folder where `vixen` is run, and remove
# the # in front of what you set. The environment itself goes first; whatever is unset has the value
# shown here. Nothing has to be set for the sandbox. Made by: vixen doctor --env-example
"""

# First setting of each part → its heading.
_PARTS = {
    "home": "Places",
    "replicate_mode": "Replicate: trainings and reference-conditioned images",
    "anthropic_mode": "Text: Anthropic first, OpenAI as fallback, moderation, embeddings",
    "modal_mode": "Modal: image inference",
    "objects_mode": "Object store: R2 or any S3",
    "dataset_images": "Identity",
    "content_pieces": "Content",
    "budget_avatar_usd": "Money",
    "reconcile_grace_s": "Effects",
}


def env_example() -> str:
    """The file's text."""
    return "\n".join([_HEADER, *_lines()]) + "\n"


def _lines() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        if name in _PARTS:
            yield f"# ---- {_PARTS[name]} ".ljust(100, "-")
        yield from textwrap.wrap(
            field.description or "", 98, initial_indent="# ", subsequent_indent="# "
        )
        yield f"# VIXEN_{name.upper()}={_default(field)}"
        yield ""


def _default(field: FieldInfo) -> str:
    value: object = field.get_default()
    if value is None or isinstance(value, SecretStr):
        return ""
    return str(value)
