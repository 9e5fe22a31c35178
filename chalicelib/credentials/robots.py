"""Credentials as their owner manages them: robots are made and deleted, and all get new passwords (G3, X4)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from chalicelib.identity.keyring import Keyring, keyring_of
from chalicelib.identity.passwords import hash_password
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, Invalid
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.passes import rows_sorted, rows_wanted
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Item

from . import store
from .logins import generated_hash
from .models import Credential, NewSecret, Permission
from .rules import is_username, missing, new_password, require_new, require_robot_name
from .shapes import CredentialQuery


class Robots:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._keyring: Keyring = keyring_of(stack)

    def create(
        self,
        instance: Instance,
        username: str,
        password: str | None,
        permissions: Sequence[Permission],
        expires_at: datetime | None,
        by: str,
    ) -> NewSecret:
        """password: None for a generated one. Raises Invalid naming the field, Conflict if the name is taken."""
        require_robot_name(username)
        if expires_at is not None and expires_at <= self._stack.clock.now():
            raise Invalid("expires_at", "is over already")
        return self.add(instance, username, password, permissions, expires_at, by)

    def add(
        self,
        instance: Instance,
        username: str,
        password: str | None,
        permissions: Sequence[Permission],
        expires_at: datetime | None,
        by: str,
        workload: str = "",
    ) -> NewSecret:
        """The same without asking whether the name may be chosen. workload: the rule of which it is."""
        generated = new_password() if password is None else ""
        require_new(username, password or generated)
        now = self._stack.clock.now()
        robot = Credential(
            instance_id=instance.id,
            username=username,
            kind="robot",
            password_hash=hash_password(password) if password else "",
            generated_hash=generated_hash(self._keyring, instance.id, username, generated) if generated else "",
            version=1 + secrets.randbelow(2**48),
            permissions=tuple(permissions),
            expires_at=expires_at,
            workload=workload,
            created_at=now,
            created_by=by,
            changed_at=now,
        )
        write = store.creation(robot)
        try:
            self._stack.table.put(write.item, write.when)
        except ConditionFailed as taken:
            raise Conflict(f"a credential named {username} exists already", username=username) from taken
        return NewSecret(robot, generated)

    def page(self, instance: Instance, asked: CredentialQuery) -> Page[Credential]:
        """By user name one query or a bounded pass; by time passes that are each sorted as a whole."""
        first, descending = keys.credential(instance.id, ""), asked.sort.startswith("-")

        def wanted(row: Item) -> bool:
            kind = "workload" if row.get("workload") else row["kind"]
            return asked.search in row["username"] and asked.kind in (None, kind)

        if asked.sort.endswith("username"):
            if asked.cursor is not None and not is_username(asked.cursor):
                raise Invalid("cursor", "is not a cursor of this list")
            page = rows_wanted(self._stack.table, first, wanted, asked.cursor, asked.limit, descending=descending)
        else:
            column = asked.sort.removeprefix("-")
            page = rows_sorted(
                self._stack.table, first, wanted, lambda row: _time_of(row, column), asked.cursor, asked.limit,
                descending=descending,
            )  # fmt: skip
        return page.map(Credential.model_validate)

    def delete(self, instance: Instance, username: str) -> None:
        """Ends the credential and all its tokens at once. Raises NotFound, and Conflict for the primary one."""
        seen = store.load(self._stack.table, instance.id, username) if is_username(username) else None
        if seen is None:
            raise missing()
        if seen.kind == "primary":
            raise Conflict("the primary credential stays as long as its instance; set a new password instead")
        try:
            store.delete(self._stack.table, seen)
        except ConditionFailed as moved:
            raise Conflict("the credential was changed by somebody else meanwhile; try again") from moved


def _time_of(row: Item, column: str) -> str:
    """What does not end comes after all that does."""
    moment = getattr(Credential.model_validate(row), column)
    return "~" if moment is None else to_text(moment)
