"""Serve the gateway: `python -m vixen_pipeline.gateway [--host H] [--port N]`."""

from __future__ import annotations

import argparse
import sys
from urllib.parse import urlsplit

import uvicorn

from vixen_pipeline import logs
from vixen_pipeline.db.siblings import dagster_url
from vixen_pipeline.errors import VixenError
from vixen_pipeline.gateway.app import Gateway, create_app
from vixen_pipeline.gateway.sources import sources_from
from vixen_pipeline.settings import Settings, load_settings

SHUTDOWN_S = 10
MAX_CONNECTIONS = 2_000


def gateway_from(settings: Settings) -> Gateway:
    """The app as the settings say. Raises SettingsMissing for an unusable secret."""
    sources = sources_from(settings)
    if settings.database_url is not None:
        main = settings.database_url.get_secret_value()
    else:
        from vixen_pipeline.db import embedded

        main = embedded.ensure_running(settings.postgres_dir)
    return create_app(main, dagster_url(settings, main), sources)


def main() -> None:
    """Process edge."""
    parser = argparse.ArgumentParser(prog="python -m vixen_pipeline.gateway", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=None, help="default: of VIXEN_GATEWAY_URL")
    arguments = parser.parse_args()
    try:
        settings = load_settings()
        logs.configure(settings.log_format)
        app = gateway_from(settings)
    except VixenError as error:
        problems: tuple[str, ...] = getattr(error, "problems", ())
        sys.stderr.write("\n  - ".join([f"error: {error}", *problems]) + "\n")
        sys.exit(error.exit_code)
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port or urlsplit(settings.gateway_url).port or 8787,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        limit_concurrency=MAX_CONNECTIONS,
    )


if __name__ == "__main__":
    main()
