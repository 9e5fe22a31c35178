"""Secrets of webhooks, and signatures by Standard Webhooks: base64 of HMAC-SHA256 over `<id>.<seconds>.<body>`.

A secret follows from the service's own key, the webhook's id and the secret's number, so no table holds it.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from chalicelib.identity.keyring import Keyring

from .models import Webhook

# How long the secret before the present one signs too.
OVERLAP: Final = timedelta(hours=24)
_PREFIX: Final = "whsec_"


def secret_of(keyring: Keyring, webhook: Webhook, version: int = 0) -> str:
    """version: 0 for the present one."""
    number = version or webhook.secret_version
    key = keyring.keyed_hash(b"webhook", webhook.id.encode(), str(number).encode())
    return _PREFIX + base64.b64encode(key).decode()


def signing_secrets(keyring: Keyring, webhook: Webhook, now: datetime) -> list[str]:
    """The present one first."""
    overlaps = webhook.previous_until is not None and webhook.previous_until > now
    versions = [webhook.secret_version, *([webhook.secret_version - 1] if overlaps else [])]
    return [secret_of(keyring, webhook, version) for version in versions]


def signature(secrets: Sequence[str], message_id: str, seconds: int, body: bytes) -> str:
    """Of each secret one, separated by spaces: a receiver that knows one of them finds its own."""
    signed = f"{message_id}.{seconds}.".encode() + body
    made = (hmac.digest(base64.b64decode(secret.removeprefix(_PREFIX)), signed, "sha256") for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made)
