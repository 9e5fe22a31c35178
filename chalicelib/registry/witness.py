"""What the audit record learns of registry clients (G1). Reads that succeed never come here.

push      the outbox row says who, from where and in which request; its event's handler files the entry, once
deletion  recorded before the client is answered
refusal   of somebody known: recorded singly; of strangers, of addresses, and throttled: counted, in memory
"""

from __future__ import annotations

from typing import Final

from chalicelib.audit.models import SUCCEEDED, Deed
from chalicelib.audit.service import Audit
from chalicelib.edge.asgi import Visit
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import BlobUnknown, ManifestUnknown, NotFound, Refused, Throttled, UploadUnknown
from chalicelib.kernel.principal import Principal
from chalicelib.ports.stack import Stack

from .callers import Callers
from .rights import RepositoryUnknown
from .routes import Route

# What a client changes by itself; uploads only prepare a push.
_CHANGES: Final = frozenset({("PUT", "manifest"), ("DELETE", "manifest"), ("DELETE", "blob")})
_ACTIONS: Final = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}
# Clients ask what is here before they send it; an answer of no refuses nothing.
_MISSES: Final = (BlobUnknown, ManifestUnknown, RepositoryUnknown, UploadUnknown)


class Witness:
    def __init__(self, stack: Stack, callers: Callers) -> None:
        self._stack = stack
        self._callers = callers
        self._audit = Audit(stack)

    async def tell_done(self, visit: Visit, found: Route) -> None:
        """Of a write that succeeded: deletions are recorded here, pushes by their event."""
        if visit.method == "DELETE" and (visit.method, found.kind) in _CHANGES:
            await self._stack.write(self._record, visit, found, SUCCEEDED)

    async def tell_refused(self, visit: Visit, found: Route, refused: Refused) -> None:
        changes = (visit.method, found.kind) in _CHANGES
        instance = await self._stack.read(self._instance, visit)
        if instance is None or (isinstance(refused, _MISSES) and not changes):
            return
        # A stranger's challenge is where every login begins: it costs no thread.
        asks_who = b"authorization" in visit.headers and not isinstance(refused, Throttled)
        known = asks_who and await self._stack.write(self._principal, visit) is not None
        # A token that does not reach so far is a refusal of its holder, not of a stranger.
        code = "DENIED" if known and refused.code == "UNAUTHENTICATED" else refused.code
        match self._audit.treatment(code, known=known, changes=changes):
            case "entry":
                await self._stack.write(self._record, visit, found, code)
            case "count":
                self._audit.count(instance.id, self._callers.address(visit), code)

    def _instance(self, visit: Visit) -> Instance | None:
        """None for those that have no record."""
        try:
            instance = self._callers.instance(visit)
        except NotFound:
            return None
        return instance if instance.edition == "enterprise" else None

    def _principal(self, visit: Visit) -> Principal | None:
        """Who asked, as the write itself saw it or as it is seen now; None for strangers."""
        if visit.principal is not None:
            return visit.principal
        try:
            principal = self._callers.decide(visit, fresh=False).caller.principal
        except Refused:
            return None
        return None if principal.anonymous else principal

    def _record(self, visit: Visit, found: Route, result: str) -> None:
        instance, principal = self._instance(visit), self._principal(visit)
        if instance is None or principal is None:
            return
        deed = Deed(
            time=self._stack.clock.now(),
            user=principal.name,
            object_type=_object_type(found),
            namespace=found.name.namespace if found.name else "",
            repository=found.name,
            object=found.reference,
            action=_ACTIONS.get(visit.method, "push"),
            result=result,
            source_ip=self._callers.address(visit),
            request_id=visit.request_id,
        )
        self._audit.record(instance.id, deed)


def _object_type(found: Route) -> str:
    if found.kind == "manifest":
        return "manifest" if ":" in found.reference else "tag"
    if found.kind in ("blob", "upload", "uploads"):
        return "blob"
    return "repository" if found.name else "registry"
