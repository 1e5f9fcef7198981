"""Who may deliver webhooks and how each one proves itself.

Belongs here: one entry per provider: a verifier, which also says the delivery's id. Does not: HTTP
handling, the database. A new provider is a new verifier and a line in `sources_from`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from standardwebhooks.webhooks import (
    EmptyWebhookSecretError,
    Webhook,
    WebhookVerificationError,
)

from vixen_pipeline.errors import SettingsMissing
from vixen_pipeline.settings import Settings

MAX_ID_LENGTH = 255
MIN_KEY_BYTES = 16
"""Shorter keys can be guessed; Standard Webhooks asks for 24 to 64 bytes."""


class Refused(Exception):
    """A delivery that does not prove itself; `status` is what the sender gets."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Verifier(Protocol):
    """Checks one delivery over its raw body and says its id."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        """The provider's id of this delivery. Raises Refused. Header names are lower case."""
        ...


@dataclass(frozen=True, slots=True)
class WebhookSource:
    """One provider. `verifier` None: no secret is set, so the endpoint is off."""

    provider: str
    verifier: Verifier | None
    setting: str


class StandardWebhooks:
    """The Standard Webhooks scheme (Replicate): several keys while rotating, 300 s both ways."""

    HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [Webhook(secret) for secret in secrets]

    def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        missing = [name for name in self.HEADERS if not headers.get(name)]
        if missing:
            raise Refused(400, f"missing header: {', '.join(missing)}")
        event_id = headers["webhook-id"]
        if len(event_id) > MAX_ID_LENGTH or "\x00" in event_id:
            raise Refused(400, "webhook-id is not usable")
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise Refused(400, "the body is not UTF-8") from error
        signed = {name: headers[name] for name in self.HEADERS}
        reason = "no matching signature"
        for key in self._keys:
            try:
                key.verify(text, signed, json_parse=False)
            except WebhookVerificationError as error:
                reason = str(error)
            except ValueError:  # a signature header that is no list of version,base64
                reason = "malformed signature"
            else:
                return event_id
        raise Refused(401, reason)


def sources_from(settings: Settings) -> dict[str, WebhookSource]:
    """The webhook sources by provider. Raises SettingsMissing naming each unusable secret."""
    problems: list[str] = []
    setting = "VIXEN_REPLICATE_WEBHOOK_SECRETS"
    secret = settings.replicate_webhook_secrets
    keys = [key.strip() for key in secret.get_secret_value().split(",")] if secret else []
    verifier = _standard([key for key in keys if key], setting, problems)
    if problems:
        raise SettingsMissing("settings", problems, next_step="Copy the key again.")
    return {"replicate": WebhookSource("replicate", verifier, setting)}


def _standard(keys: Sequence[str], setting: str, problems: list[str]) -> StandardWebhooks | None:
    for number, key in enumerate(keys, start=1):
        try:
            Webhook(key)
            decoded = base64.b64decode(key.removeprefix("whsec_"), validate=True)
        except (ValueError, EmptyWebhookSecretError):
            problems.append(f"{setting}: key {number} is not whsec_ followed by base64")
            continue
        if len(decoded) < MIN_KEY_BYTES:
            problems.append(
                f"{setting}: key {number} has {len(decoded)} bytes; at least {MIN_KEY_BYTES}"
            )
    return StandardWebhooks(keys) if keys and not problems else None
