"""`python -m vixen_pipeline.sandbox --port N`: the sandbox as a process, told by the settings.

Belongs here: reading settings, finding the database, serving. Does not: supervision.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import sys
from pathlib import Path
from urllib.parse import urlsplit

from vixen_pipeline.errors import SettingsMissing, VixenError
from vixen_pipeline.sandbox.config import SandboxConfig
from vixen_pipeline.settings import Settings, load_settings

SHUTDOWN_SECONDS = 3  # a stalled call must not keep the process alive


def read_config(settings: Settings, *, port: int, base_url: str | None = None) -> SandboxConfig:
    """What the settings say about the sandbox; makes its database if it is not there.

    Raises SettingsMissing when the token is missing. Without a webhook secret in the settings one
    is derived from the token, so that a restarted sandbox signs as it did before.
    """
    if settings.sandbox_token is None:
        problem = "VIXEN_SANDBOX_TOKEN is made by `vixen up`: run that first, in this folder."
        raise SettingsMissing("settings", [problem])
    token = settings.sandbox_token.get_secret_value()
    secrets = settings.replicate_webhook_secrets
    listed = secrets.get_secret_value().split(",") if secrets is not None else []
    secret = next((entry.strip() for entry in listed if entry.strip()), None)
    if secret is None:
        secret = "whsec_" + base64.b64encode(hashlib.sha256(token.encode()).digest()[:24]).decode()
    return SandboxConfig(
        database_url=_database(settings),
        base_url=base_url or f"http://127.0.0.1:{port}",
        token=token,
        objects_dir=Path(settings.home).resolve() / "objects",
        webhook_secret=secret,
    )


def _database(settings: Settings) -> str:
    """The sandbox's own database beside the pipeline's, created if needed."""
    from sqlalchemy import make_url

    from vixen_pipeline.db import embedded, siblings

    if settings.database_url is None:
        main = embedded.ensure_running(settings.postgres_dir)
    else:
        main = siblings.plain_url(settings.database_url.get_secret_value())
    url = siblings.sandbox_url(main)
    embedded.create_database(main, make_url(url).database or "")
    return url


def main() -> int:
    """Serve until a signal; the exit code is that of the error, if there is one."""
    parser = argparse.ArgumentParser(prog="python -m vixen_pipeline.sandbox")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, help="default: the port in VIXEN_SANDBOX_URL")
    parser.add_argument("--base-url", help="how clients reach it; default: this host and port")
    arguments = parser.parse_args()
    try:
        settings = load_settings()
        port: int = arguments.port or urlsplit(settings.sandbox_url).port or 8788
        config = read_config(settings, port=port, base_url=arguments.base_url)
    except VixenError as error:
        problems = getattr(error, "problems", ())
        print(error, *(f"  - {problem}" for problem in problems), sep="\n", file=sys.stderr)  # noqa: T201
        return error.exit_code
    import uvicorn

    from vixen_pipeline.sandbox.app import create_app

    uvicorn.run(
        create_app(config),
        host=arguments.host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
