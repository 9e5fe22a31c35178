"""Who asks, of which instance: decided from the listener, the Host header, the socket's other end and the credentials.

For reads the decision is remembered while the table stands still and until the credentials expire; for writes it is
made anew each time (`fresh`), so that a revocation holds at once.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from chalicelib.access.service import Access
from chalicelib.credentials.service import Credentials
from chalicelib.edge.address import AddressPolicy, client_address, parse_address
from chalicelib.edge.asgi import Visit
from chalicelib.edge.requests import INSTANCE_KEY
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import AddressNotAllowed, Refused, Unauthenticated
from chalicelib.kernel.principal import ANONYMOUS, Principal
from chalicelib.ports.memory import Knowledge
from chalicelib.ports.stack import Stack
from chalicelib.repositories.service import Repositories

from .ceilings import Ceilings
from .models import Caller
from .remembered import Remembered
from .routes import route

# A checked password is looked at again after so long; `credentials` remembers the check itself for 300 s.
BASIC_TTL_S: Final = 60.0
# What a token lives at most (DESIGN §7).
TOKEN_TTL_S: Final = 300


class Admitted:
    """A caller, and until when (seconds since 1970) that may be served from memory. Equal only to itself."""

    __slots__ = ("address", "caller", "internal", "until")

    def __init__(self, caller: Caller, address: str, internal: bool, until: float) -> None:
        self.caller = caller
        self.address = address
        self.internal = internal
        self.until = until


class Callers:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)
        self._access = Access(stack)
        self._credentials = Credentials(stack)
        self._repositories = Repositories(stack)
        self._policy = AddressPolicy.of(stack.settings)
        per_s = stack.settings.instance_requests_per_s
        self.ceilings = Ceilings(per_s, stack.clock) if per_s else None

    async def admit(self, visit: Visit, remembered: Remembered) -> Admitted:
        """For reads. Raises what `fresh` raises."""
        headers = visit.headers
        host, authorization = headers.get(b"host", b""), headers.get(b"authorization", b"")
        forwarded = headers.get(b"x-forwarded-for", b"") if self._policy.proxies else b""
        key = (visit.port, visit.peer, host, authorization, forwarded)
        admitted: Admitted | None = remembered.get(key)
        if admitted is not None and admitted.until > self._stack.clock.now().timestamp():
            visit.scope[INSTANCE_KEY] = admitted.caller.instance.id
            return admitted
        # A password may take 30 ms to check, which must not hold up the event loop.
        run = self._stack.write if authorization[:6].lower() == b"basic " else self._stack.read
        admitted = await run(self.decide, visit, fresh=False)
        remembered.keep(key, admitted, len(host) + len(authorization) + len(forwarded))
        return admitted

    def fresh(self, visit: Visit) -> Admitted:
        """For writes, which nobody does without credentials.

        Raises NotFound for the instance, AddressNotAllowed, Unauthenticated, Throttled. Blocks.
        """
        admitted = self.decide(visit, fresh=True)
        if self.ceilings is not None and visit.method not in ("GET", "HEAD"):
            self.ceilings.take(admitted.caller.instance.id)
        if admitted.caller.principal.anonymous:
            raise Unauthenticated
        visit.principal = admitted.caller.principal
        admitted.caller = replace(admitted.caller, address=admitted.address, request_id=visit.request_id)
        return admitted

    def address(self, visit: Visit) -> str:
        """The client's, for the record: "unknown" where it cannot be told."""
        try:
            return client_address(visit.peer, visit.raw_headers, self._policy)
        except AddressNotAllowed:
            return "unknown"

    def instance(self, visit: Visit) -> Instance:
        """Raises NotFound."""
        return self._instances.find(visit.text(b"host"), visit.port)

    def public_address(self, instance: Instance) -> str:
        return self._instances.public_address(instance)

    def decide(self, visit: Visit, *, fresh: bool) -> Admitted:
        self._foresee(visit, fresh=fresh)
        instance, address, internal = self._let_in(visit)
        principal, until = self._principal(visit, instance, address, fresh)
        if instance.expires_at is not None:
            expires_at = instance.expires_at.timestamp()
            until = min(until, expires_at) if expires_at > self._stack.clock.now().timestamp() else until
        return Admitted(Caller(instance, principal), address, internal, until)

    def _let_in(self, visit: Visit) -> tuple[Instance, str, bool]:
        """The instance, the client's address, and whether it came by the internal listener."""
        instance = self.instance(visit)
        visit.scope[INSTANCE_KEY] = instance.id
        internal = self._stack.settings.internal_port is not None and visit.port == self._stack.settings.internal_port
        address = client_address(visit.peer, visit.raw_headers, self._policy)
        self._access.admit(instance, address, internal)
        return instance, address, internal

    def _foresee(self, visit: Visit, *, fresh: bool) -> None:
        """Everything that is decided by, in one batch read, where it is not remembered.

        fresh   who asks, and what that may do, is left to whoever reads it from the table
        """
        text = visit.text(b"authorization") or None
        audience = self._credentials.audience(text)
        instance_id, wanted = self._instances.foreseen(visit.text(b"host"), visit.port, audience)
        if not instance_id:
            return
        knowledge: list[Knowledge[Any]] = [*wanted, self._access.knowledge(instance_id)]
        if all(map(self._stack.memory.knows, knowledge)):
            self._let_in(visit)  # Whoever is kept out anyway makes nobody read, whatever names they invent.
        if not fresh:
            knowledge += self._credentials.foreseen(instance_id, text)
            with suppress(Refused):
                if name := route(visit.path, visit.raw_path).name:
                    knowledge.append(self._repositories.knowledge(instance_id, name))
        self._stack.memory.foresee(knowledge)

    def may_redirect(self, admitted: Admitted) -> bool:
        """Whether a link that reads without credentials may be given: it carries an allowlisted client's right away."""
        unrestricted = admitted.internal or not self._access.restricted(admitted.caller.instance)
        return unrestricted or self._stack.settings.redirect_ttl_s > 0

    def scheme(self, visit: Visit) -> str:
        """http or https, as the client sees it. Only a proxy of ours is believed about it."""
        if visit.headers.get(b"x-forwarded-proto") in (b"http", b"https") and self._by_our_proxy(visit):
            return visit.text(b"x-forwarded-proto")
        return "https" if visit.scope.get("scheme") == "https" else "http"

    def _by_our_proxy(self, visit: Visit) -> bool:
        try:
            return self._policy.trusts(parse_address(visit.peer or ""))
        except AddressNotAllowed:
            return False

    def _principal(self, visit: Visit, instance: Instance, address: str, fresh: bool) -> tuple[Principal, float]:
        """Who, and until when that is known."""
        if b"authorization" not in visit.headers:
            return ANONYMOUS, math.inf
        text = visit.text(b"authorization")
        principal = self._credentials.authenticate(instance, text, address, fresh=fresh)
        by_password = principal.grants is None
        until = self._stack.clock.now().timestamp() + BASIC_TTL_S if by_password else principal.issued_at + TOKEN_TTL_S
        return principal, float(min(until, principal.until or until))
