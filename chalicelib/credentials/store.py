"""Items of credentials."""

from __future__ import annotations

from typing import Final

from chalicelib.kernel.moment import to_text
from chalicelib.ports import keys
from chalicelib.ports.table import Item, Put, Table, Update, absent, equals

from .models import Credential

_LISTED_S: Final = 24 * 3600


def creation(credential: Credential) -> Put:
    key = keys.credential(credential.instance_id, credential.username)
    item = {**key._asdict(), **credential.model_dump(mode="json")}
    if credential.workload:
        # Nobody misses a workload's credential a day after its end; a robot's stays listed until somebody deletes it.
        item["expires"] = credential.until + _LISTED_S
    return Put(item, absent())


def load(table: Table, instance_id: str, username: str) -> Credential | None:
    return read(table.get(keys.credential(instance_id, username)))


def read(item: Item | None) -> Credential | None:
    return None if item is None else Credential.model_validate(item)


def set_password(table: Table, seen: Credential, wanted: Credential) -> Credential:
    """Raises ConditionFailed if the credential is not as it was seen any more."""
    change = Update(
        keys.credential(seen.instance_id, seen.username),
        set={
            "password_hash": wanted.password_hash,
            "generated_hash": wanted.generated_hash,
            "version": seen.version + 1,
            "changed_at": to_text(wanted.changed_at),
        },
        when=equals("version", seen.version),
    )
    return Credential.model_validate(table.update(change))


def delete(table: Table, seen: Credential) -> None:
    """Raises ConditionFailed if the credential is not as it was seen any more."""
    table.delete(keys.credential(seen.instance_id, seen.username), equals("version", seen.version))
