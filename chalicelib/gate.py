"""What every request of the management API passes: who asks, which instance, from where, and the record of it.

authenticate   accounts            admit   instances · access            record   audit
"""

from __future__ import annotations

from chalicelib.access.service import Access
from chalicelib.accounts.service import Accounts
from chalicelib.audit.models import SERVICE, SUCCEEDED, Deed
from chalicelib.audit.service import Audit
from chalicelib.edge.apicall import Call, Request
from chalicelib.identity import oidc
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import EditionRequired, NotFound
from chalicelib.kernel.ids import is_id
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import Right, Role
from chalicelib.ports.stack import Stack


class ServiceGate:
    """Fills the slots of `edge.apicall.Gate`."""

    def authenticate(self, stack: Stack, request: Request) -> Principal:
        return Accounts(stack).authenticate(request.headers.get("authorization"), request.address)

    def admit(self, call: Call) -> None:
        instances = Instances(call.stack)
        open_to_everybody = call.endpoint.needs is None
        account_id, ref = call.principal.account_id, call.parts["instance"]
        instance = _strangers(instances, ref) if open_to_everybody else instances.of_account(account_id, ref)
        # The record of a refusal from here on belongs to the instance.
        call.instance = instance
        owner_anywhere = call.endpoint.from_anywhere and call.principal.role is Role.OWNER
        if not owner_anywhere:
            Access(call.stack).admit(instance, call.request.address, call.request.internal)
        if call.endpoint.feature and instance.edition != "enterprise":
            raise EditionRequired(call.endpoint.feature)
        if not call.endpoint.frozen_too:
            instances.require_running(instance)

    def record(self, call: Call, refused: str) -> None:
        audit, known = Audit(call.stack), not call.principal.anonymous
        scope = _scope(call)
        if scope is None:
            return
        match audit.treatment(refused, known=known, changes=bool(call.endpoint.changes)):
            case "entry":
                audit.record(scope, _deed(call, refused))
            case "count":
                audit.count(scope, call.request.address or "unknown", refused)


def _strangers(instances: Instances, ref: str) -> Instance:
    """The instance that a login names by its id. What is missing is refused in the words for a bad token."""
    try:
        return instances.get(ref if is_id(ref) else "")
    except NotFound:
        raise oidc.refused() from None


def _scope(call: Call) -> str | None:
    """Whose record it is: the instance's; the account's for what is of no instance or outlives it, such as orders;
    nobody's for personal instances, which have none (I3)."""
    if call.instance is not None and call.endpoint.needs not in (Right.READ_BILLING, Right.CHANGE_BILLING):
        return str(call.instance.id) if call.instance.edition == "enterprise" else None
    if not call.principal.anonymous:
        return call.note.account_id or call.principal.account_id
    try:
        # A stranger may name any account.
        return Accounts(call.stack).get(call.note.account_id).id
    except NotFound:
        return SERVICE


def _deed(call: Call, refused: str) -> Deed:
    note, named = call.note, ("instance", "namespace", "repository")
    object_type, _, action = call.endpoint.changes.partition(".")
    return Deed(
        time=call.stack.clock.now(),
        user=note.user or call.principal.name,
        object_type=object_type or call.endpoint.room,
        namespace=note.namespace or call.parts.get("namespace", ""),
        repository=note.repository or call.parts.get("repository", ""),
        object=note.object or "/".join(text for name, text in call.parts.items() if name not in named),
        action=action or "read",
        result=refused or SUCCEEDED,
        source_ip=call.request.address,
        request_id=call.request.id,
    )
