"""Which processes an instance consists of, with their commands.

Belongs here: the list. Does not: their life (supervisor.py). Dagster's code server is
`dagster code-server`: it survives reloads asked for in the UI, and webserver and daemon share it
instead of each importing the code. All start at once, because each spends seconds importing;
webserver and daemon wait for the code server by themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from vixen_pipeline.errors import UserError
from vixen_pipeline.runtime import checks
from vixen_pipeline.runtime.addresses import Addresses
from vixen_pipeline.runtime.child import ProcessSpec
from vixen_pipeline.runtime.databases import Databases
from vixen_pipeline.runtime.environment import project_root
from vixen_pipeline.settings import Settings

LOCATION = "vixen"
MODULE = "vixen_pipeline.definitions"
_MODES = ("replicate_mode", "anthropic_mode", "openai_mode", "modal_mode", "objects_mode")
_MAX_SOCKET_PATH = 100


def needs_sandbox(settings: Settings) -> bool:
    """Whether any provider is the sandbox."""
    return any(getattr(settings, mode) == "sandbox" for mode in _MODES)


def code_server_socket(home: Path) -> Path:
    """The code server's unix socket: whoever reaches it runs code as us, so no TCP port."""
    path = home / "dagster" / "code.sock"
    if len(str(path).encode()) <= _MAX_SOCKET_PATH:
        return path
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    folder = Path("/tmp") / f"vixen-code-{os.geteuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise UserError(f"{folder} belongs to another account.", next_step="Remove it.")
    return folder / "code.sock"


def write_workspace(home: Path) -> Path:
    """A workspace that points webserver and daemon to the one code server."""
    entry = {"grpc_server": {"socket": str(code_server_socket(home)), "location_name": LOCATION}}
    path = home / "dagster" / "workspace.yaml"
    path.write_text(json.dumps({"load_from": [entry]}) + "\n")  # JSON is YAML
    return path


def processes(
    settings: Settings,
    databases: Databases,
    addresses: Addresses,
    home: Path,
    *,
    ui: bool = True,
    dagster: bool = True,
) -> list[ProcessSpec]:
    """What to run, in the order in which it is named to people; it stops in another one."""
    specs: list[ProcessSpec] = []
    if needs_sandbox(settings):
        specs.append(_sandbox(addresses))
    specs.append(_gateway(addresses))
    if dagster:
        specs.append(_code_server(home))
        workspace = write_workspace(home)
        specs.append(_daemon(databases, workspace))
        if ui:
            specs.append(_webserver(addresses, workspace))
    return specs


def _sandbox(addresses: Addresses) -> ProcessSpec:
    address = addresses.sandbox
    return ProcessSpec(
        "sandbox",
        [*_python("vixen_pipeline.sandbox"), "--host", address.host, "--port", str(address.port)],
        lambda _: checks.http_ok(f"{address.url}/healthz"),
        address=address.url,
    )


def _gateway(addresses: Addresses) -> ProcessSpec:
    address = addresses.gateway
    return ProcessSpec(
        "gateway",
        [*_python("vixen_pipeline.gateway"), "--host", address.host, "--port", str(address.port)],
        lambda _: checks.http_ok(f"{address.url}/readyz"),
        address=address.url,
    )


def _code_server(home: Path) -> ProcessSpec:
    socket = code_server_socket(home)
    return ProcessSpec(
        "code-server",
        [
            *_python("dagster"),
            *("code-server", "start", "--socket", str(socket), "--module-name", MODULE),
            *("--working-directory", str(project_root()), "--location-name", LOCATION),
            *("--log-format", "json"),
        ],
        lambda _: checks.grpc_serving(f"unix:{socket}"),
    )


def _daemon(databases: Databases, workspace: Path) -> ProcessSpec:
    return ProcessSpec(
        "daemon",
        [*_python("dagster._daemon"), "run", "-w", str(workspace), "--log-format", "json"],
        lambda started: checks.daemon_beats(databases.dagster, started),
    )


def _webserver(addresses: Addresses, workspace: Path) -> ProcessSpec:
    address = addresses.dagster
    return ProcessSpec(
        "webserver",
        [
            *_python("dagster_webserver"),
            *("-h", address.host, "-p", str(address.port), "-w", str(workspace)),
            *("--log-format", "json"),
        ],
        lambda _: checks.location_loaded(address.url),
        address=address.url,
    )


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]
