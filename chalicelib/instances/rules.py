"""Pure decisions about instances."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from math import ceil
from typing import Final

from chalicelib.kernel.errors import NameInvalid
from chalicelib.kernel.names import InstanceName

from .models import KEPT_FROZEN, Counts, Instance, LifeStep, State, StorageUse, Usage, Use

# How long before expiry auto-renewal begins to try.
AUTO_RENEWAL_BEFORE: Final = timedelta(hours=24)
# A deletion that was asked for and is not done after this is asked for again: its message may be lost.
ASKED_AGAIN_AFTER: Final = timedelta(hours=1)

# What stands still is looked at again after this, and not with every sweep.
STANDS_STILL_FOR: Final = timedelta(hours=1)


def is_instance_name(text: str) -> bool:
    try:
        InstanceName.parse(text)
    except NameInvalid:
        return False
    return True


def is_running(instance: Instance, now: datetime) -> bool:
    """An instance past its expiry is frozen from that moment, whether or not its state says so yet (I6)."""
    unexpired = instance.expires_at is None or now < instance.expires_at
    return instance.state == "running" and unexpired


def state_at(instance: Instance, now: datetime) -> State:
    """What it is at this moment, whether or not its record says so yet."""
    if instance.state == "running" and not is_running(instance, now):
        return "frozen"
    return instance.state


def stood_still_s(instance: Instance, now: datetime) -> int:
    """Seconds it was frozen in its life until now, rounded up: nothing may end early by it."""
    if instance.expires_at is None or state_at(instance, now) != "frozen":
        return instance.stood_still_s
    return instance.stood_still_s + ceil((now - instance.expires_at).total_seconds())


def grace_ends(instance: Instance, moment: datetime, stood_then_s: int, now: datetime) -> datetime:
    """When a grace period that was to end at the moment ends: it stood still while the instance was frozen.

    stood_then_s   how long the instance had been frozen in its life when the grace period began
    """
    moved = moment + timedelta(seconds=stood_still_s(instance, now) - stood_then_s)
    return max(moved, now + STANDS_STILL_FOR) if state_at(instance, now) == "frozen" else moved


def due_at(instance: Instance) -> datetime | None:
    """When the next step of its life is to be taken; None for one that lives for ever."""
    if instance.untold:
        return instance.created_at
    if instance.state == "releasing":
        return instance.created_at if instance.asked_at is None else instance.asked_at + ASKED_AGAIN_AFTER
    if instance.expires_at is None or instance.state == "frozen":
        return instance.kept_until
    return _renewed_from(instance.expires_at) if instance.auto_renew else instance.expires_at


def next_step(instance: Instance, now: datetime) -> tuple[LifeStep, datetime] | None:
    """What comes next in its life, and when. None for one that lives for ever, and for one that is being deleted."""
    state = state_at(instance, now)
    if instance.expires_at is None or state == "releasing":
        return None
    if state == "frozen":
        return "deletion", instance.expires_at + KEPT_FROZEN
    if instance.auto_renew:
        return "renewal", _renewed_from(instance.expires_at)
    return "expiry", instance.expires_at


def renews_now(instance: Instance, now: datetime) -> bool:
    """Whether auto-renewal is to prolong it: not before its last day, and not once it was told to be frozen."""
    wanted = instance.auto_renew and instance.state == "running"
    return wanted and instance.expires_at is not None and _renewed_from(instance.expires_at) <= now


def _renewed_from(expires_at: datetime) -> datetime:
    return expires_at - AUTO_RENEWAL_BEFORE


def usage(instance: Instance, counted: Counts) -> Usage:
    """What is counted, held against its quotas."""
    return Usage(
        namespaces=Use(used=counted.namespaces, limit=instance.namespace_limit),
        repositories=Use(used=counted.repositories, limit=instance.repository_limit),
        storage=StorageUse(used=counted.stored_bytes, limit=instance.storage_limit_bytes, binned=counted.binned_bytes),
    )


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
