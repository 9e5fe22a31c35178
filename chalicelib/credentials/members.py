"""Access keys of accounts as logins to a registry: the key's id is the user name, its secret the password (G4, G5).

Users of the instance's own account get in by their roles, those of others by what is shared with them; both is decided
where the repository is known (`repositories.rules`). Nothing of an instance is kept for them, so whatever ends the
key, its user or the account ends them here too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.accounts.access_keys import is_access_key
from chalicelib.accounts.service import Accounts
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Unauthenticated
from chalicelib.kernel.principal import Principal
from chalicelib.ports.memory import Knowledge
from chalicelib.ports.stack import Stack

__all__ = ["Members", "is_access_key"]


class Members:
    def __init__(self, stack: Stack) -> None:
        self._accounts = Accounts(stack)

    def login(self, instance: Instance, key_id: str, secret: str, address: str) -> Principal:
        """Raises Unauthenticated in the words for any wrong password, Throttled."""
        try:
            return _at(instance, key_id, self._accounts.by_access_key(key_id, secret, address))
        except Unauthenticated as refused:
            raise Unauthenticated() from refused

    def holder(self, instance: Instance, key_id: str, version: int) -> Principal:
        """Who holds the key now, from the table itself. Raises Unauthenticated if it is another version by now."""
        holder = self._accounts.access_key_holder(key_id, fresh=True)
        if holder is None or holder.version != version:
            raise Unauthenticated()
        return _at(instance, key_id, holder)

    def foreseen(self, principal: Principal) -> list[Knowledge[Any]]:
        """What `as_it_stands` will ask of memory for a token that was made with a key."""
        username = principal.name.rpartition("/")[2]
        return [self._accounts.access_key_knowledge(principal.key_id, principal.account_id, username)]

    def as_it_stands(self, principal: Principal, *, fresh: bool) -> Principal | None:
        """Who holds a token that was made with a key; None once the key is over."""
        holder = self._accounts.access_key_holder(principal.key_id, fresh=fresh)
        if holder is None or holder.version != principal.version:
            return None
        return replace(principal, until=holder.until) if holder.until else principal


def _at(instance: Instance, key_id: str, holder: Principal) -> Principal:
    """The holder as a client of this instance's registry."""
    own = holder.account_id == instance.account_id
    name = holder.name if own else f"{holder.account_id}/{holder.name}"
    return replace(holder, name=name, instance_id=instance.id, key_id=key_id)
