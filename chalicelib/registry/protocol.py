"""The distribution protocol under /v2, raw ASGI. Source: OCI distribution-spec 1.1 and distribution's token documents.

    read     GET, HEAD: caller from memory ─ answer from memory, or route ─ registry ─ remember
    write    PUT, POST, PATCH, DELETE: route ─ caller made anew ─ registry, in a thread
    refusal  the specification's JSON; 401 carries the challenge that tells clients where to log in

An answer is remembered for one admitted caller, method and path; memory forgets all of it with the next write.
Failures, downloads and uploads are never remembered, nor is what a pull policy let go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from chalicelib.edge.asgi import Answer, Body, ClientGone, Headers, Receive, Scope, Send, Visit, send_answer
from chalicelib.edge.log import logger
from chalicelib.edge.refusals import error, refusal
from chalicelib.edge.requests import request_id_of
from chalicelib.kernel.errors import (
    NameInvalid,
    NotFound,
    PullBlocked,
    RangeInvalid,
    Refused,
    Unauthenticated,
    Unavailable,
)
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports.stack import Stack

from .beyond import Beyond, Flowing
from .callers import Admitted, Callers
from .models import Caller
from .pulls import pull_tally
from .remembered import Remembered
from .routes import METHODS, Route, names_content, route
from .service import Registry
from .wire import Wire, may_push
from .wire_blobs import BlobAnswer, CutOff, delete_blob, find_blob, send_blob
from .wire_lists import list_referrers, list_repositories, list_tags
from .wire_manifests import ManifestAnswer, delete_manifest, pull_manifest, push_manifest
from .wire_uploads import add_chunk, cancel_upload, finish_upload, refused_range, show_upload, start_upload
from .witness import Witness

Read = Callable[[Wire, Caller, Route, Visit], Answer]
Write = Callable[[Wire, Visit, Route, Body], Awaitable[Answer]]

API_VERSION: Final = (b"docker-distribution-api-version", b"registry/2.0")


def ping(wire: Wire, caller: Caller, route: Route, visit: Visit) -> Answer:
    """Refuses whoever has no credentials, which is how clients learn where to get some."""
    if caller.principal.anonymous and b"authorization" not in visit.headers:
        raise Unauthenticated
    return Answer(200, ((b"content-type", b"application/json"), (b"content-length", b"2")), b"{}")


READS: Final[dict[str, Read]] = {
    "ping": ping,
    "catalog": list_repositories,
    "tags": list_tags,
    "manifest": pull_manifest,
    "blob": find_blob,
    "upload": show_upload,
    "referrers": list_referrers,
}
WRITES: Final[dict[tuple[str, str], Write]] = {
    ("PUT", "manifest"): push_manifest,
    ("DELETE", "manifest"): delete_manifest,
    ("DELETE", "blob"): delete_blob,
    ("POST", "uploads"): start_upload,
    ("PATCH", "upload"): add_chunk,
    ("PUT", "upload"): finish_upload,
    ("DELETE", "upload"): cancel_upload,
}


class MethodNotAllowed(Refused):
    code = "METHOD_NOT_ALLOWED"
    status = 405

    def __init__(self, found: Route) -> None:
        self.allowed = METHODS[found.kind]
        super().__init__(f"this path knows {', '.join(self.allowed)}", allowed=list(self.allowed))


class Protocol:
    """The ASGI application. beyond: asked for what namespaces with an upstream do not hold."""

    def __init__(self, stack: Stack, beyond: Beyond | None = None) -> None:
        self._stack = stack
        self._beyond = beyond
        self._memory = stack.memory
        self._callers = Callers(stack)
        self._ceilings = self._callers.ceilings
        self._pulls = pull_tally(stack)
        self._wire = Wire(stack, Registry(stack), self._callers)
        self._witness = Witness(stack, self._callers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(scope)
        visit.raw_request_id = request_id_of(scope)
        own = (API_VERSION, (b"x-request-id", visit.raw_request_id))
        if visit.method in ("GET", "HEAD"):
            await self._read(visit, receive, send, own)
        else:
            await self._write(visit, receive, send, own)

    async def _read(self, visit: Visit, receive: Receive, send: Send, own: Headers) -> None:
        try:
            remembered = self._memory.get("answers", Remembered)
            admitted = await self._callers.admit(visit, remembered)
            if self._ceilings is not None:
                self._ceilings.take(admitted.caller.instance.id)
            key = (admitted, visit.method, visit.raw_path, visit.raw_query)
            answer: Answer | None = remembered.get(key)
            if answer is None:
                found = route(visit.path, visit.raw_path)
                answer = await self._load(visit, admitted, found)
                lasts = not answer.fleeting and (self._stack.exact or names_content(found))
                if answer.status == 200 and lasts:
                    remembered.keep(key, answer, len(visit.raw_path) + len(visit.raw_query) + len(answer.body))
            if isinstance(answer, ManifestAnswer) and answer.pull is not None:
                self._pulls.add(answer.pull)
            if b"if-none-match" in visit.headers:
                answer = _unless_matching(visit, answer)
            if isinstance(answer, Flowing) and answer.flow is not None and visit.method == "GET":
                await answer.flow(receive, send, own)
                return
            if isinstance(answer, BlobAnswer) and visit.method == "GET":
                await send_blob(self._wire, visit, admitted, answer, receive, send, own)
                return
        except Refused as refused:
            answer = await self._refusal(visit, refused)
        except CutOff:
            logger.exception("failed to send a blob", request_id=own[1][1].decode(), path=visit.path)
            return
        except Exception:
            answer = _unexpected(visit, own)
        if b"transfer-encoding" in visit.headers or visit.headers.get(b"content-length", b"0") != b"0":
            # Nobody reads what a client sends along with a read.
            own = (*own, (b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": (*answer.headers, *own)})
        await send({"type": "http.response.body", "body": answer.body})

    async def _load(self, visit: Visit, admitted: Admitted, found: Route) -> Answer:
        """Asks the registry."""
        if visit.method not in METHODS[found.kind]:
            raise MethodNotAllowed(found)
        read = READS[found.kind]
        if found.kind == "upload":
            fresh = await self._stack.write(self._callers.fresh, visit)
            return await self._stack.write(read, self._wire, fresh.caller, found, visit)
        renews = found.kind == "blob" and visit.method == "HEAD" and may_push(admitted.caller, found.name)
        run = self._stack.write if renews else self._stack.read
        try:
            answer = await run(read, self._wire, admitted.caller, found, visit)
        except (NotFound, Unauthenticated, PullBlocked) as refused:
            if self._beyond is None or found.kind not in ("manifest", "blob"):
                raise
            return await self._beyond.find(visit, admitted, found, refused)
        by_tag = not names_content(found)
        if self._beyond is not None and by_tag and isinstance(answer, ManifestAnswer) and answer.upstream:
            return await self._beyond.renew(visit, admitted, found, answer)
        return answer

    async def _write(self, visit: Visit, receive: Receive, send: Send, own: Headers) -> None:
        body = Body(receive, None, taken=False)
        try:
            body = Body.of(visit, receive)
            found = route(visit.path, visit.raw_path)
            write = WRITES.get((visit.method, found.kind))
            if write is None:
                raise MethodNotAllowed(found)
            answer = await write(self._wire, visit, found, body)
            await self._witness.tell_done(visit, found)
        except Refused as refused:
            answer = await self._refusal(visit, refused)
        except ClientGone:
            # Reaches whoever only fell silent; nobody else is there to read it.
            answer = error(408, "SIZE_INVALID", "the request did not come to its end")
        except Exception:
            answer = _unexpected(visit, own)
        await send_answer(send, body, Answer(answer.status, (*answer.headers, *own), answer.body))

    async def _refusal(self, visit: Visit, refused: Refused) -> Answer:
        """The refusal in the specification's words, with what helps the client to do better."""
        try:
            found = route(visit.path, visit.raw_path)
        except Refused:
            return refusal(refused)
        try:
            await self._witness.tell_refused(visit, found, refused)
        except Unavailable as silenced:
            return refusal(silenced)
        if isinstance(refused, MethodNotAllowed):
            allowed = ", ".join(refused.allowed).encode()
            return _with(refusal(refused, code="UNSUPPORTED"), (b"allow", allowed))
        if isinstance(refused, RangeInvalid) and found.kind == "upload":
            return _with(refusal(refused), *refused_range(found, refused))
        if isinstance(refused, RangeInvalid):
            return _with(refusal(refused, code="SIZE_INVALID"), (b"content-range", b"bytes */%d" % refused.offset))
        if isinstance(refused, Unauthenticated):
            too_narrow = await self._token_is_good(visit)
            try:
                return await self._stack.read(_challenged, visit, self._callers, found, refused, too_narrow)
            except Refused as unsaid:
                return refusal(unsaid)  # Where to log in is not known without the table.
        return refusal(refused)

    async def _token_is_good(self, visit: Visit) -> bool:
        """Whether a valid token was refused: it was made for something else, and clients fetch another."""
        if not visit.headers.get(b"authorization", b"").lower().startswith(b"bearer "):
            return False
        try:
            await self._stack.write(self._callers.decide, visit, fresh=False)
        except Refused:
            return False
        return True


def _with(answer: Answer, *more: tuple[bytes, bytes]) -> Answer:
    return Answer(answer.status, (*answer.headers, *more), answer.body)


def _unexpected(visit: Visit, own: Headers) -> Answer:
    """For the `except` of what nobody foresaw: logs it once; the client learns the id to ask about."""
    request_id = own[1][1].decode()
    logger.exception("failed to answer", request_id=request_id, method=visit.method, path=visit.path)
    return error(500, "UNKNOWN", "something went wrong here; ask the operator about this request id", request_id)


def _unless_matching(visit: Visit, answer: Answer) -> Answer:
    """304 if the client has just this already. Source: RFC 9110, section 13.1.2."""
    etag = next((value for name, value in answer.headers if name == b"etag"), None)
    held = [tag.strip().removeprefix(b"W/") for tag in visit.headers[b"if-none-match"].split(b",")]
    if etag is None or (etag not in held and held != [b"*"]):
        return answer
    return Answer(304, tuple(header for header in answer.headers if header[0] in (b"etag", b"docker-content-digest")))


def _challenged(visit: Visit, callers: Callers, found: Route, refused: Unauthenticated, too_narrow: bool) -> Answer:
    """Tells the client where to get a token, and for what. too_narrow: it has one that does not reach this far."""
    instance = callers.instance(visit)
    realm = f"{callers.scheme(visit)}://{visit.host or callers.public_address(instance)}/token"
    parts = [f'realm="{realm}"', f'service="{instance.id}"']
    if scope := _scope(visit, found):
        also = f" repository:{refused.pull_from}:pull" if refused.pull_from else ""
        parts.append(f'scope="{scope}{also}"')
    if too_narrow:
        parts.append('error="insufficient_scope"')
    elif b"authorization" in visit.headers:
        parts.append('error="invalid_token"')
    return _with(refusal(refused), (b"www-authenticate", f"Bearer {','.join(parts)}".encode()))


def _scope(visit: Visit, found: Route) -> str:
    if found.kind == "catalog":
        return "registry:catalog:*"
    if not found.name:
        return ""
    scopes = [f"repository:{found.name}:{','.join(found.actions(visit.method))}"]
    source = visit.query().get("from", [""])[-1] if found.kind == "uploads" else ""
    with suppress(NameInvalid):
        if source:
            scopes.append(f"repository:{RepositoryName.parse(source)}:pull")
    return " ".join(scopes)
