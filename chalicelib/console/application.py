"""The console as an ASGI application: /console/… of the gateway.

    request ─► a file? ─► visit: who, from where, which form ─► page, in a thread ─► with what keeps browsers safe
                            └─ asked for by another site: 403       └─ refused: the form again, or a page that says why

It keeps nothing: the session is the API's own, its token a cookie that no script reads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router

from chalicelib.edge.apicall import Gate
from chalicelib.edge.asgi import ClientGone, Receive, Scope, Send
from chalicelib.kernel.errors import NotFound, Refused
from chalicelib.ports.stack import Stack

from .answering import answer
from .arrival import Arrivals, id_of
from .pages import Page
from .screens import PAGES
from .static import Static
from .visit import ROOT, Visit

# A page loads what lies here and nothing else, sends forms here and nowhere else, and stands in nobody's frame.
SAFE: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"
# Smaller ones fit into a packet anyway.
_WORTH_PACKING_BYTES: Final = 1000

Serving = Callable[[Request], Awaitable[Response]]


class Console:
    """gate: the API's own."""

    def __init__(self, stack: Stack, gate: Gate) -> None:
        self._stack = stack
        self._arrivals = Arrivals(stack, gate)
        self._files = Static.loaded().files
        self._paths: dict[object, str] = {page.function: page.path for page in PAGES}
        routes = [Route(ROOT + "/static/{mark}/{name}", self._file, methods=["GET"])]
        routes += [Route(ROOT + page.path, self._serving(page), methods=[page.method]) for page in PAGES]
        router = Router([*routes, Route(ROOT + "/{rest:path}", self._serving(_NOWHERE))], redirect_slashes=False)
        self._application = GZipMiddleware(router, minimum_size=_WORTH_PACKING_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        application = _TO_ROOT if scope["path"] == ROOT else self._application
        await application(scope, receive, _safely(send))

    async def _file(self, request: Request) -> Response:
        file = self._files.get(request.path_params["name"])
        if file is None:
            return Response("there is no such file\n", 404, media_type="text/plain")
        # While a new version comes up, its pages may ask one of before: what that has is not kept under the new mark.
        kept = _FOR_EVER if request.path_params["mark"] == file.mark else "no-store"
        return Response(file.body, 200, {"Cache-Control": kept}, file.media_type)

    def _serving(self, page: Page) -> Serving:
        async def serve(request: Request) -> Response:
            try:
                visit = await self._arrivals.visit(request, page)
                response = await self._stack.write(answer, page, visit, self._paths.__getitem__)
            except Refused as refused:
                response = Response(f"{refused.message}\n", refused.status, media_type="text/plain")
            except ClientGone:
                response = Response("the request did not come to its end\n", 408, media_type="text/plain")
            response.headers.update({"Cache-Control": "no-store", "X-Request-Id": id_of(request)})
            return response

        return serve


def _safely(send: Send) -> Send:
    """Adds SAFE to whatever is answered, also by what refuses before a page is found."""

    async def send_safely(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(SAFE)
        await send(message)

    return send_safely


def _nowhere(visit: Visit) -> Response:
    raise NotFound("there is nothing at this path")


_TO_ROOT: Final = RedirectResponse(f"{ROOT}/", 308)
_NOWHERE: Final = Page("GET", "/{rest}", _nowhere, None, open=True)
