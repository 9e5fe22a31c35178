"""Items of credentials."""

from __future__ import annotations

from datetime import datetime

from chalicelib.kernel.moment import to_text
from chalicelib.ports import keys
from chalicelib.ports.table import Put, Table, Update, absent, equals

from .models import Credential


def creation(credential: Credential) -> Put:
    key = keys.credential(credential.instance_id, credential.username)
    return Put({**key._asdict(), **credential.model_dump()}, absent())


def load(table: Table, instance_id: str, username: str) -> Credential | None:
    item = table.get(keys.credential(instance_id, username))
    return None if item is None else Credential.model_validate(item)


def set_password(table: Table, seen: Credential, password_hash: str, now: datetime) -> Credential:
    """Raises ConditionFailed if the credential is not as it was seen any more."""
    change = Update(
        keys.credential(seen.instance_id, seen.username),
        set={"password_hash": password_hash, "version": seen.version + 1, "changed_at": to_text(now)},
        when=equals("version", seen.version),
    )
    return Credential.model_validate(table.update(change))
