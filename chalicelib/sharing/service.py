"""The door of the room: sharing a repository with users of other accounts (G4)."""

from __future__ import annotations

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, Invalid, NotFound
from chalicelib.kernel.ids import is_id
from chalicelib.kernel.paging import Page
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import TransactionCancelled

from . import store
from .models import NewShare, Share, ShareQuery
from .rules import share_id


class Shares:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def create(self, instance: Instance, repository_id: str, new: NewShare, by: str) -> Share:
        """Says nothing about whether the guest exists.

        Raises Invalid for a guest of the owner's own account, Conflict if the guest has it already, NotFound if the
        repository is gone.
        """
        if new.account == instance.account_id:
            raise Invalid("account", "is your own: its users get in by their roles; share with another account")
        share = Share(
            id=share_id(repository_id, new.account, new.username),
            instance_id=instance.id,
            owner_account=instance.account_id,
            repository_id=repository_id,
            account=new.account,
            username=new.username,
            created_at=self._stack.clock.now(),
            created_by=by,
        )
        try:
            self._stack.table.transact(store.creation(share))
        except TransactionCancelled as cancelled:
            if 0 in cancelled.failed:
                guest = f"{new.account}/{new.username}"
                raise Conflict(f"the repository is shared with {guest} already", guest=guest) from cancelled
            raise NotFound("there is no such repository") from cancelled
        return share

    def get(self, repository_id: str, ref: str) -> Share:
        """Raises NotFound."""
        share = store.load(self._stack.table, repository_id, ref) if is_id(ref) else None
        if share is None:
            raise NotFound("there is no such share")
        return share

    def list(self, repository_id: str, asked: ShareQuery) -> Page[Share]:
        """Of a repository. Raises Invalid naming `cursor`."""
        return store.page(self._stack.table, repository_id, asked)

    def of_instance(self, instance: Instance, asked: ShareQuery) -> Page[Share]:
        """Of all its repositories, deleted ones in the recycle bin among them; a change shows a moment later.

        Raises Invalid naming `cursor`.
        """
        return store.of_instance(self._stack.table, instance.id, asked)

    def revoke(self, repository_id: str, ref: str) -> None:
        """Ends a share: at once on one machine, within 5 s for pulls across several. Raises NotFound."""
        self._stack.table.transact(store.deletion(self.get(repository_id, ref)))

    def of_guest(self, account: str, username: str, asked: ShareQuery) -> Page[Share]:
        """What was shared with somebody and still is; the repository itself may be gone.

        Raises Invalid naming `cursor`.
        """
        return store.of_guest(self._stack.table, account, username, asked)

    def holds(self, repository_id: str, account: str, username: str) -> bool:
        """Whether the repository is shared with them. From memory."""
        ref = share_id(repository_id, account, username)
        return self._stack.memory.get(
            ("share", repository_id, ref), lambda: store.load(self._stack.table, repository_id, ref) is not None
        )
