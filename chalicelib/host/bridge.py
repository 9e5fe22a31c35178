"""The management API on one machine: an HTTP request becomes the event that API Gateway would hand to the Chalice app.

    ASGI ─► path, query, body within bounds ─► proxy event ─► app(event), in a thread, on this stack ─► ASGI
              └─ what is refused before any endpoint is known: problem+json, like the endpoints' own refusals

What decides who is let in comes from the socket and from trusted proxies alone: the client's address, whether the
listener is the internal one, the request's id.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from chalicelib.edge.address import AddressPolicy, client_address
from chalicelib.edge.apicall import BODY_LIMIT_BYTES, given
from chalicelib.edge.asgi import Answer, Body, ClientGone, Headers, Receive, Scope, Send, Visit, send_answer
from chalicelib.edge.log import logger
from chalicelib.edge.problems import problem
from chalicelib.edge.requests import INSTANCE_KEY, ROUTE_KEY, SCOPE_KEY
from chalicelib.kernel.errors import Invalid, NotFound, Refused, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.ports.stack import Stack

from .proxy_event import Paths, proxy_event

App = Callable[[Mapping[str, Any], Any], Mapping[str, Any]]

_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# API Gateway refuses longer request lines and headers itself.
_LONGEST_PATH_BYTES: Final = 8 * 1024


class MethodNotAllowed(Refused):
    code = "METHOD_NOT_ALLOWED"
    status = 405

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = ", ".join(allowed)
        super().__init__(f"this path knows {self.allowed}", allowed=list(allowed))


class CutShort(Refused):
    code = "REQUEST_CUT_SHORT"
    status = 408


class Failed(Unavailable):
    code = "INTERNAL"
    status = 500


class ApiBridge:
    """The ASGI application. app: the Chalice app; routes: its paths, each with its methods."""

    def __init__(self, stack: Stack, app: App, routes: Mapping[str, Mapping[str, object]]) -> None:
        self._stack = stack
        self._app = app
        self._methods = {path: tuple(sorted(methods)) for path, methods in routes.items()}
        self._paths = Paths(routes)
        self._policy = AddressPolicy.of(stack.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(scope)
        request_id = scope[SCOPE_KEY].decode() if SCOPE_KEY in scope else new_id()
        body = Body(receive, None, taken=False)
        try:
            body = Body.of(visit, receive)
            answer = await self._answer(visit, body, request_id)
        except Refused as refused:
            answer = _refusal(refused, request_id)
        except ClientGone:
            # Reaches whoever only fell silent; nobody else is there to read it.
            answer = _refusal(CutShort("the request did not come to its end"), request_id)
        except Exception:
            logger.exception("failed to answer", request_id=request_id, method=visit.method, path=visit.path)
            answer = _refusal(Failed("something went wrong here; ask the operator about this request id"), request_id)
        await send_answer(send, body, answer)

    async def _answer(self, visit: Visit, body: Body, request_id: str) -> Answer:
        _require_well_encoded(visit)
        found = self._paths.find(visit.raw_path.decode("ascii"))
        if found is None:
            raise NotFound("there is nothing at this path")
        route, parameters = found
        if visit.method not in self._methods[route]:
            raise MethodNotAllowed(self._methods[route])
        visit.scope[ROUTE_KEY], visit.scope[INSTANCE_KEY] = route, parameters.get("instance", "")
        visit.query()
        event = proxy_event(
            method=visit.method,
            route=route,
            path=visit.raw_path.decode("ascii"),
            parameters=parameters,
            query=visit.raw_query.decode("ascii"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in visit.headers.items()},
            body=await body.read(BODY_LIMIT_BYTES, "body"),
            address=client_address(visit.peer, visit.raw_headers, self._policy),
            internal=self._stack.settings.internal_port is not None
            and visit.port == self._stack.settings.internal_port,
            request_id=request_id,
        )
        return _as_answer(await self._stack.write(self._call, event))

    def _call(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        with given(self._stack):
            return self._app(event, None)


def _require_well_encoded(visit: Visit) -> None:
    """Raises Invalid naming `path` or `query`."""
    if len(visit.raw_path) > _LONGEST_PATH_BYTES:
        raise Invalid("path", f"a path has at most {_LONGEST_PATH_BYTES} bytes")
    for name, raw in (("path", visit.raw_path), ("query", visit.raw_query)):
        if _BROKEN_ESCAPE.search(raw) or not raw.isascii():
            raise Invalid(name, "is not well percent-encoded")
        try:
            unquote_to_bytes(raw).decode()
        except UnicodeDecodeError as malformed:
            raise Invalid(name, "is not UTF-8") from malformed


def _refusal(refused: Refused, request_id: str) -> Answer:
    status, headers, body = problem(refused, request_id)
    if isinstance(refused, MethodNotAllowed):
        headers["Allow"] = refused.allowed
    return Answer(status, _encoded(status, headers, body.encode()), body.encode())


def _as_answer(answer: Mapping[str, Any]) -> Answer:
    """From what a proxy integration answers."""
    text = answer["body"] or ""
    body = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
    return Answer(answer["statusCode"], _encoded(answer["statusCode"], answer["headers"], body), body)


def _encoded(status: int, headers: Mapping[str, str], body: bytes) -> Headers:
    own = tuple((name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items())
    # RFC 9110 §8.6: an answer without content has no length either.
    return own if status == 204 else (*own, (b"content-length", b"%d" % len(body)))
