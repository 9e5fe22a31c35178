"""Pure decisions about instances."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from .models import Instance


def is_running(instance: Instance, now: datetime) -> bool:
    """An instance past its expiry is frozen from that moment, whether or not its state says so yet (I6)."""
    unexpired = instance.expires_at is None or now < instance.expires_at
    return instance.state == "running" and unexpired


@lru_cache(maxsize=1024)
def label_of(host: str, domain: str) -> str | None:
    """The label in `<label>.<domain>[:port]`, None if the host name has another form."""
    if len(host) > 300:
        return None
    name = host.lower()
    before, colon, port = name.rpartition(":")
    if colon and port.isdecimal():
        name = before
    label, dot, rest = name.rstrip(".").partition(".")
    return label if dot and label and rest == domain.lower() else None


@lru_cache(maxsize=16)
def instances_by_port(text: str) -> Mapping[int, str]:
    """`<instance id>=<port>,…` as port → instance id. Raises ValueError on anything else."""
    found: dict[int, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        instance_id, equals, port = entry.partition("=")
        if not equals or not port.isascii() or not port.isdecimal() or not 0 < int(port) <= 65535:
            raise ValueError(f"CRS_INSTANCE_PORTS: {entry!r} is not <instance id>=<port>")
        found[int(port)] = instance_id.strip()
    return found
