"""From an HTTP request to a `Visit`: who, from where, in which language, with which form."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from chalicelib.edge.address import AddressPolicy, client_address
from chalicelib.edge.apicall import BODY_LIMIT_BYTES, Gate
from chalicelib.edge.asgi import Body
from chalicelib.edge.asgi import Visit as HttpVisit
from chalicelib.edge.requests import ROUTE_KEY, SCOPE_KEY
from chalicelib.kernel.errors import Denied
from chalicelib.kernel.ids import new_id
from chalicelib.ports.stack import Stack

from .asking import Asking
from .forms import Form
from .origin import forged, own_origin
from .pages import Page
from .rendering import templates
from .texts import negotiated
from .visit import LANGUAGE_COOKIE, ROOT, SESSION_COOKIE, Visit

_FORGED = "this was not sent by a page of this console; open the page and try again"


def id_of(request: Request) -> str:
    return request.scope[SCOPE_KEY].decode() if SCOPE_KEY in request.scope else new_id()


@dataclass(frozen=True)
class Arrivals:
    stack: Stack
    gate: Gate

    async def visit(self, request: Request, page: Page) -> Visit:
        """Raises Refused for what is no request of a browser, ClientGone.

        A change that none of our pages asked for comes as a visit that is refused already.
        """
        http, settings = HttpVisit(request.scope), self.stack.settings
        request.scope[ROUTE_KEY] = ROOT + page.path
        addresses = AddressPolicy.of(settings)
        origin = own_origin(http, addresses, tls=settings.tls)
        address = client_address(http.peer, http.raw_headers, addresses)
        http.query()
        form = Form.parse(await Body.of(http, request.receive).read(BODY_LIMIT_BYTES, "form"))
        token, request_id = request.cookies.get(SESSION_COOKIE, ""), id_of(request)
        internal = settings.internal_port is not None and http.port == settings.internal_port
        language = negotiated(request.cookies.get(LANGUAGE_COOKIE, ""), http.text(b"accept-language"))
        # In a thread: the first page of a language reads its words and templates, which takes a quarter of a second.
        told = await self.stack.write(templates, language)
        visit = Visit(
            asking=Asking(self.stack, self.gate, request_id, token, address, internal=internal),
            stack=self.stack,
            templates=told,
            words=told.words,
            method=request.method,
            path=request.scope["path"].removeprefix(ROOT),
            route=page.path,
            parts=request.path_params,
            query=dict(request.query_params),
            form=form,
            cookies=request.cookies,
            request_id=request_id,
            fragment=http.text(b"hx-target"),
            partial=http.text(b"hx-request") == "true",
            address=address,
            origin=origin,
            secure=origin.startswith("https:"),
            signed_in=bool(token),
            port=http.port,
        )
        if page.method != "GET" and forged(http, origin):
            visit.refused = Denied(_FORGED)
        return visit
