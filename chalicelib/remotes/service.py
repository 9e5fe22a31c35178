"""The door of the room: remotes are made, tried, and opened for whoever brings images there.

    rule made, edited, deleted ─► `using` ─► the remote's row says which rules need it     one transaction with the rule

So a remote that a rule needs is not deleted, and does not move elsewhere, however many do so at once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from chalicelib.identity.sealing import seal, unseal
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, InUse, Invalid, NotFound, Unavailable
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.paging import Page
from chalicelib.ports.remote_reference import RemoteReference
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import TransactionCancelled, Write

from . import store
from .models import MOST_REMOTES, NewRemote, Remote, RemoteEdit, RemoteQuery

if TYPE_CHECKING:
    from chalicelib.ports.remote import RemoteRegistry
    from chalicelib.ports.remote_login import Login

# Between two attempts at one request. Whoever brings images waits longer by its task, and holds up nobody meanwhile.
LONGEST_PAUSE_S = 1.0
# For one request, on top of what its size allows: a step of a task that waits for it has a few minutes.
_SENDING_S: Final = 120.0
# Edits of one remote that meet each other.
_ATTEMPTS: Final = 20
# Any name: what is parsed is the address before it.
_SOMETHING: Final = "any/thing:latest"
_LONGEST_NAME: Final = 63


class Remotes:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table

    def create(self, instance: Instance, new: NewRemote, by: str) -> Remote:
        """Raises Conflict where the name is taken or there are MOST_REMOTES, Invalid naming `address`."""
        if len(self.page(instance, RemoteQuery(limit=MOST_REMOTES)).items) >= MOST_REMOTES:
            raise Conflict(f"an instance knows at most {MOST_REMOTES} remotes")
        reference = self._reference(new.address)
        remote = Remote(
            id=new_id(),
            instance_id=instance.id,
            scheme=reference.scheme,
            host=reference.host,
            created_at=self._stack.clock.now(),
            created_by=by,
            **new.model_dump(include={"name", "username", "remark"}),
        )
        remote = self._sealed(remote, new.password.get_secret_value())
        try:
            self._table.transact(store.creation(remote))
        except TransactionCancelled as cancelled:
            raise _taken(remote.name) from cancelled
        return remote

    def get(self, instance: Instance, ref: str) -> Remote:
        """By id or name. Raises NotFound."""
        named = not is_id(ref) and ref.isascii() and ref.isprintable() and 0 < len(ref) <= _LONGEST_NAME
        remote_id = ref if is_id(ref) else store.id_named(self._table, instance.id, ref) if named else None
        found = None if remote_id is None else store.load(self._table, instance.id, remote_id)
        if found is None:
            raise NotFound("there is no such remote")
        return found

    def page(self, instance: Instance, query: RemoteQuery) -> Page[Remote]:
        """Raises Invalid naming `cursor`."""
        if query.cursor is not None and not is_id(query.cursor):
            raise Invalid("cursor", "is not `next` of a page of this list")
        return store.page(self._table, instance.id, query)

    def edit(self, instance: Instance, ref: str, edit: RemoteEdit) -> Remote:
        """Raises NotFound, Invalid naming `address`, Conflict for a name that is taken, InUse for the address of one
        that rules need."""
        reference = None if edit.address is None else self._reference(edit.address)

        def changed(seen: Remote) -> Remote:
            fields: dict[str, Any] = edit.model_dump(include={"name", "username", "remark"}, exclude_none=True)
            if reference is not None and reference.origin != seen.origin:
                _refuse_used(seen, "cannot move elsewhere")
                fields |= {"scheme": reference.scheme, "host": reference.host, "sealed": ""}
            wanted = seen.model_copy(update=fields)
            return wanted if edit.password is None else self._sealed(wanted, edit.password.get_secret_value())

        for _ in range(_ATTEMPTS):
            seen = self.get(instance, ref)
            wanted = changed(seen).model_copy(update={"version": seen.version + 1})
            try:
                self._table.transact(store.replacement(seen, wanted))
            except TransactionCancelled as cancelled:
                if 0 not in cancelled.failed:
                    raise _taken(wanted.name) from cancelled
            else:
                return wanted
        raise _busy()

    def delete(self, instance: Instance, ref: str) -> Remote:
        """Raises NotFound, InUse where a rule needs it."""
        for _ in range(_ATTEMPTS):
            seen = self.get(instance, ref)
            _refuse_used(seen, "stays")
            try:
                self._table.transact(store.deletion(seen))
            except TransactionCancelled:
                continue
            return seen
        raise _busy()

    # For those who bring images there

    def registry(self, remote: Remote) -> RemoteRegistry:
        """Logged in as the remote says. Raises Conflict where its password has to be given anew."""
        from chalicelib.ports.outbound import outbound  # with an HTTP client, which nobody else here needs
        from chalicelib.ports.remote import RemoteRegistry

        reference = RemoteReference.parse(f"{remote.origin}/{_SOMETHING}")
        calls, login = outbound(self._stack.settings), self.login(remote)
        return RemoteRegistry(reference, calls, login=login, pause=_pause, sending_s=_SENDING_S)

    def login(self, remote: Remote) -> Login | None:
        """None where it asks for none."""
        from chalicelib.ports.remote_login import Login

        if not remote.username and not remote.sealed:
            return None
        password = unseal(self._stack, remote.sealed, _about(remote)) if remote.sealed else ""
        return Login(remote.username, password)

    def using(self, seen: Remote, rules: Mapping[str, str]) -> Write:
        """A write for somebody's transaction: these rules need it from now on. It fails if the remote was changed."""
        wanted = seen.model_copy(update={"used_by": dict(rules), "version": seen.version + 1})
        return store.replacement(seen, wanted)[0]

    def _sealed(self, remote: Remote, password: str) -> Remote:
        sealed = seal(self._stack, password, _about(remote)) if password else ""
        return remote.model_copy(update={"sealed": sealed})

    def _reference(self, address: str) -> RemoteReference:
        from chalicelib.ports.outbound import outbound

        try:
            reference = _as_called(RemoteReference.parse(f"{address.rstrip('/')}/{_SOMETHING}"))
            if f"{reference.repository}:{reference.tag}" != _SOMETHING:
                raise Invalid("address", "a path follows the host")
            outbound(self._stack.settings).vet_url(reference.origin)
        except Invalid as refused:
            why = refused.fields[0][1] if refused.fields and refused.fields[0][0] == "url" else ""
            raise Invalid("address", why or "must be a host like registry.example:5000, and nothing more") from None
        return reference


def _as_called(reference: RemoteReference) -> RemoteReference:
    """A host by one name only, since places that rules bring to are told apart by it (Y2)."""
    host, separator, port = reference.host.lower().rpartition(":")
    if not separator or not port.isdigit():
        host, port = reference.host.lower(), ""
    usual = "443" if reference.scheme == "https" else "80"
    named = host.removesuffix(".")
    return replace(reference, host=f"{named}:{int(port)}" if port and port.lstrip("0") != usual else named)


def _pause(seconds: float) -> None:
    time.sleep(min(seconds, LONGEST_PAUSE_S))


def _about(remote: Remote) -> str:
    """What its password is sealed for: moved to another address by whatever means, it opens no more."""
    return f"remote {remote.instance_id} {remote.id} {remote.origin}"


def _refuse_used(remote: Remote, but: str) -> None:
    for rule_id, name in sorted(remote.used_by.items()):
        raise InUse(
            f"remote {remote.name} is the target of synchronisation rule {name} ({rule_id}) and {but}; "
            "delete that rule first",
            rule_id,
        )


def _taken(name: str) -> Conflict:
    return Conflict.on("name", f"the instance has a remote named {name} already")


def _busy() -> Unavailable:
    return Unavailable("the remote is being edited by others; try again")
