"""What the sandbox is told from outside. Belongs here: values. Does not: reading settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """One sandbox.

    `database_url` is its own database (never the pipeline's); `base_url` is how clients reach it,
    without a slash at the end; `token` is every provider's credential; `objects_dir` holds the
    object store and the drawn outputs; `webhook_secret` is `whsec_` and plain base64.
    """

    database_url: str
    base_url: str
    token: str
    objects_dir: Path
    webhook_secret: str
