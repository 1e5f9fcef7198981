"""Ports, URLs and generated secrets of a running instance: `<home>/runtime.json`.

Belongs here: choosing them, keeping them from start to start, writing them where `load_settings`
finds them. Does not: starting anything. An address that a person set is never moved to another
port; one that nobody set takes the next free one.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vixen_pipeline.errors import InvalidInput
from vixen_pipeline.settings import RUNTIME_FILE, Settings, read_runtime

TRIES = 200


@dataclass(frozen=True, slots=True)
class Address:
    """Where one server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        shown = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host
        return f"http://{shown}:{self.port}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Of the three servers that listen on TCP."""

    gateway: Address
    sandbox: Address
    dagster: Address


def choose_addresses(settings: Settings) -> Addresses:
    """Free addresses for the three servers. Raises InvalidInput naming every one that is taken."""
    taken: set[int] = set()
    problems: list[str] = []
    chosen: dict[str, Address] = {}
    wanted = {
        "gateway": settings.gateway_url,
        "sandbox": settings.sandbox_url,
        "dagster": settings.dagster_url,
    }
    for name, url in wanted.items():
        variable = f"VIXEN_{name.upper()}_URL"
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port or 80
        if variable in os.environ:
            if port in taken or not is_free(host, port):
                problems.append(f"{variable}: port {port} on {host} is taken")
        else:
            port = next_free(host, port, taken)
        taken.add(port)
        chosen[name] = Address(host, port)
    if problems:
        raise InvalidInput(
            "addresses", problems, next_step="Free the port, or leave the variable unset."
        )
    return Addresses(**chosen)


def next_free(host: str, first: int, taken: set[int]) -> int:
    """The first free port from `first` on that is not in `taken`; any free one after TRIES."""
    for port in range(first, min(first + TRIES, 65_536)):
        if port not in taken and is_free(host, port):
            return port
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now. Connecting is tried too: on some systems a
    listener on all interfaces does not keep others from binding one of them."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    with socket.socket() as probe:
        probe.settimeout(0.2)
        target = "127.0.0.1" if host in {"0.0.0.0", "::"} else host
        return probe.connect_ex((target, port)) != 0


def runtime_values(settings: Settings, addresses: Addresses, home: Path) -> dict[str, str]:
    """What goes into runtime.json: addresses, and secrets that are made once and then kept."""
    known = read_runtime(home)
    values = {
        "VIXEN_GATEWAY_URL": addresses.gateway.url,
        "VIXEN_SANDBOX_URL": addresses.sandbox.url,
        "VIXEN_DAGSTER_URL": addresses.dagster.url,
    }
    if "VIXEN_SANDBOX_TOKEN" not in os.environ:
        values["VIXEN_SANDBOX_TOKEN"] = known.get("VIXEN_SANDBOX_TOKEN") or secrets.token_hex(24)
    name = "VIXEN_REPLICATE_WEBHOOK_SECRETS"
    if settings.replicate_mode == "sandbox" and name not in os.environ:
        # Standard base64: the SDK wants exactly one underscore in the whole key.
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        values[name] = known.get(name) or f"whsec_{key}"
    return values


def write_runtime(home: Path, values: Mapping[str, str]) -> None:
    """Replace runtime.json, readable for its owner only, whole or not at all."""
    path = home / RUNTIME_FILE
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        json.dump(dict(values), handle, indent=2)
        handle.flush()
        os.fsync(handle.fileno())
    new.replace(path)
