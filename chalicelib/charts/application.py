"""The classic chart repository under /charts/, raw ASGI: reads alone, for `helm repo add` and what follows it.

    who asks, of which instance, from where (`registry.callers`, as for /v2) ─► path ─► index, archive or provenance

The instance is the one that the address means, and the path has to name it too. Credentials are sent by Basic: helm
knows no tokens here. What may not be known of answers like what is not there: 401 to nobody, 404 to everybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final
from weakref import WeakValueDictionary

from chalicelib.edge.asgi import Answer, Headers, Receive, Scope, Send, Visit
from chalicelib.edge.log import logger
from chalicelib.edge.refusals import error, refusal
from chalicelib.edge.requests import request_id_of
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound, RangeInvalid, Refused, Unauthenticated, Unavailable
from chalicelib.kernel.ids import is_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import Action
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.registry.callers import Admitted, Callers
from chalicelib.registry.models import Caller
from chalicelib.registry.pulls import pull_tally
from chalicelib.registry.remembered import Remembered
from chalicelib.registry.routes import Route
from chalicelib.registry.service import Registry
from chalicelib.registry.wire import Wire
from chalicelib.registry.wire_blobs import CutOff, send_blob
from chalicelib.registry.witness import Witness
from chalicelib.repositories.service import Repositories

from .downloads import Downloads
from .index import Document, Indexes
from .paths import Place, instance_in, parse_path

# helm asks by Basic, where it was given a password; the words say to people in browsers what is wanted.
_CHALLENGE: Final = (b"www-authenticate", b'Basic realm="charts", charset="UTF-8"')
_READS: Final = ("GET", "HEAD")
_CHUNK_BYTES: Final = 256 * 1024


class MethodNotAllowed(Refused):
    code = "METHOD_NOT_ALLOWED"
    status = 405


class ChartRepository:
    """The ASGI application."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._callers = Callers(stack)
        self._instances = Instances(stack)
        self._namespaces = Namespaces(stack)
        self._repositories = Repositories(stack)
        self._indexes = Indexes(stack)
        self._downloads = Downloads(stack)
        self._wire = Wire(stack, Registry(stack), self._callers)
        self._witness = Witness(stack, self._callers)
        self._pulls = pull_tally(stack)
        # Of several who ask for an index that has to be made, one makes it.
        self._making: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(scope)
        own: Headers = ((b"x-request-id", request_id), (b"x-content-type-options", b"nosniff"))
        visit = Visit(scope)
        visit.raw_request_id = request_id
        try:
            visit = self._addressed(visit)
            answer = await self._answer(visit, receive, send, own)
        except Refused as refused:
            answer = await self._refusal(visit, refused)
        except CutOff:
            logger.exception("failed to send a chart", request_id=request_id.decode(), path=visit.path)
            return
        except Exception:
            logger.exception("failed to answer", request_id=request_id.decode(), method=visit.method, path=visit.path)
            answer = error(500, "UNKNOWN", "something went wrong here; ask the operator about this request id")
        if answer is not None:
            await _send(visit, send, answer, own, (answer.body,))

    def _addressed(self, visit: Visit) -> Visit:
        """On one machine a client need not resolve an instance's own host name: where the Host names none, the id in
        the path does, and all else goes on as if the Host had."""
        named = instance_in(visit.path)
        if not is_id(named) or not self._instances.names_nobody(visit.text(b"host"), visit.port):
            return visit
        try:
            host = self._instances.public_address(self._instances.get(named)).encode()
        except NotFound:
            return visit
        others = [header for header in visit.raw_headers if header[0] != b"host"]
        visit.scope["headers"] = [(b"host", host), *others]
        again = Visit(visit.scope)
        again.raw_request_id = visit.raw_request_id
        return again

    async def _answer(self, visit: Visit, receive: Receive, send: Send, own: Headers) -> Answer | None:
        """None once it was sent."""
        admitted = await self._callers.admit(visit, self._stack.memory.get("answers", Remembered))
        caller = admitted.caller
        if self._callers.ceilings is not None:
            self._callers.ceilings.take(caller.instance.id)
        if visit.method not in _READS:
            raise MethodNotAllowed("charts are pushed by oci://, and only read here")
        place = parse_path(visit.path, visit.raw_path)
        if place.instance not in (caller.instance.id, caller.instance.name):
            raise _nothing(caller)
        if place.kind == "index":
            return await self._send_index(visit, caller, place, send, own)
        return await self._send_archive(visit, admitted, place, receive, send, own)

    async def _send_index(self, visit: Visit, caller: Caller, place: Place, send: Send, own: Headers) -> Answer | None:
        making = self._making.setdefault((caller.instance.id, place.folder), asyncio.Lock())
        async with making:
            index = await self._stack.write(self._index, caller, place.folder)
        headers: Headers = (
            (b"content-type", b"application/yaml"),
            (b"content-length", b"%d" % index.size),
            (b"etag", index.etag),
            # What is listed depends on who asks.
            (b"cache-control", b"private, no-cache"),
        )
        if _has(visit, index.etag):
            return Answer(304, headers[2:])
        await _send(visit, send, Answer(200, headers), own, index.parts)
        return None

    def _index(self, caller: Caller, folder: str) -> Document:
        """Raises NotFound, Unauthenticated, InstanceFrozen, IndexTooLarge."""
        instance, principal = caller.instance, caller.principal
        try:
            namespace = self._namespaces.get(instance.id, folder.partition("/")[0])
        except NotFound:
            raise _nothing(caller) from None
        visible = [
            one
            for one in self._indexes.repositories(instance.id, folder)
            if self._repositories.may(principal, instance, one, one.name, Action.PULL)
        ]
        index = self._indexes.document(instance.id, visible, to_text(namespace.created_at))
        # Who may pull whatever will be here is shown that nothing is; everybody else, that there is no such place.
        any_name = RepositoryName(f"{folder}/charts")
        if not index.charts and not self._repositories.may(principal, instance, None, any_name, Action.PULL):
            raise _nothing(caller)
        self._instances.require_running(instance)
        return index

    async def _send_archive(
        self, visit: Visit, admitted: Admitted, place: Place, receive: Receive, send: Send, own: Headers
    ) -> Answer | None:
        found = await self._stack.read(self._downloads.find, admitted.caller, place)
        etag = dict(found.headers)[b"etag"]
        if _has(visit, etag):
            return Answer(304, ((b"etag", etag),))
        if visit.method == "HEAD":
            return found
        await send_blob(self._wire, visit, admitted, found, receive, send, own)
        if found.pull is not None:
            self._pulls.add(found.pull)
        return None

    async def _refusal(self, visit: Visit, refused: Refused) -> Answer:
        try:
            await self._tell(visit, refused)
        except Unavailable as silenced:
            refused = silenced
        answer = refusal(refused)
        more: Headers = ()
        if isinstance(refused, Unauthenticated):
            more = (_CHALLENGE,)
        elif isinstance(refused, MethodNotAllowed):
            more = ((b"allow", b"GET, HEAD"),)
        elif isinstance(refused, RangeInvalid):
            more = ((b"content-range", b"bytes */%d" % refused.offset),)
        return Answer(answer.status, (*answer.headers, *more), answer.body)

    async def _tell(self, visit: Visit, refused: Refused) -> None:
        """The audit record knows what was refused here in the words of the registry."""
        try:
            place = parse_path(visit.path, visit.raw_path)
        except NotFound:
            return
        found = Route("catalog") if place.kind == "index" else Route("manifest", place.name, place.tag)
        await self._witness.tell_refused(visit, found, refused)


def _nothing(caller: Caller) -> Refused:
    """To somebody, that there is nothing; nobody, and a token that was made for something else, may log in first."""
    if caller.principal.anonymous or caller.principal.grants is not None:
        return Unauthenticated()
    return NotFound("there is no chart repository at this path")


def _has(visit: Visit, etag: bytes) -> bool:
    """Whether the client has just this already. Source: RFC 9110, section 13.1.2."""
    held = [one.strip().removeprefix(b"W/") for one in visit.headers.get(b"if-none-match", b"").split(b",")]
    return etag in held or held == [b"*"]


async def _send(visit: Visit, send: Send, answer: Answer, own: Headers, parts: Iterable[bytes]) -> None:
    headers = (*answer.headers, *own)
    if b"transfer-encoding" in visit.headers or visit.headers.get(b"content-length", b"0") != b"0":
        # Nobody reads what a client sends along.
        headers = (*headers, (b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if visit.method != "HEAD":
        for chunk in _chunks(parts):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Small parts together, large ones as they are."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= _CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
