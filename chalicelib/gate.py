"""What every request of the management API passes: who asks, which instance, from where, and the record of it.

authenticate   accounts            admit   instances · access            record   audit
"""

from __future__ import annotations

from chalicelib.access.service import Access
from chalicelib.accounts.service import Accounts
from chalicelib.audit.models import Entry
from chalicelib.audit.service import Audit
from chalicelib.edge.apicall import Call, Request
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import EditionRequired
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack


class ServiceGate:
    """Fills the slots of `edge.apicall.Gate`."""

    def authenticate(self, stack: Stack, request: Request) -> Principal:
        return Accounts(stack).authenticate(request.headers.get("authorization"), request.address)

    def admit(self, call: Call) -> Instance:
        instances = Instances(call.stack)
        instance = instances.of_account(call.principal.account_id, call.parts["instance"])
        owner_anywhere = call.endpoint.from_anywhere and call.principal.role is Role.OWNER
        if not owner_anywhere:
            Access(call.stack).admit(instance, call.request.address, call.request.internal)
        if call.endpoint.feature and instance.edition != "enterprise":
            raise EditionRequired(call.endpoint.feature)
        if not call.endpoint.frozen_too:
            instances.require_running(instance)
        return instance

    def record(self, call: Call, refused: str) -> None:
        note, principal = call.note, call.principal
        if principal.anonymous:
            return
        object_type, _, action = call.endpoint.changes.partition(".")
        Audit(call.stack).record(
            Entry(
                id=new_id(),
                scope=call.instance.id if call.instance else note.account_id or principal.account_id,
                time=call.stack.clock.now(),
                user=note.user or principal.name,
                object_type=object_type or call.endpoint.room,
                namespace=note.namespace or call.parts.get("namespace", ""),
                repository=note.repository or call.parts.get("repository", ""),
                object=note.object,
                action=action or "read",
                result=refused or "succeeded",
                source_ip=call.request.address,
                request_id=call.request.id,
            )
        )
