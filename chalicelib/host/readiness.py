"""What /readyz says of one process among several that share their stores.

    started ──► the stores answered once ──► SIGTERM
      503               200                    503

A load balancer asks in order to choose between processes, and a container service ends those that it is told are
not ready. A store that is down or throttles is so for all of them alike: were each to say so, every process would be
replaced by another that cannot reach the store either, and the load would come back to none. So the stores decide
only whether a process may begin, which a wrong name or a missing right keeps it from; later its requests say
themselves what fails, with 503 and Retry-After, and alarms count those.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from chalicelib.edge.asgi import Answer, Application, Body, Message, Receive, Scope, Send, Visit, send_answer

PATH: Final = "/readyz"


class ReadyOnce:
    """The application, whose /readyz is asked until it has said 200 once."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._was_ready = False

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or scope["path"] != PATH:
            return self._app(scope, receive, send)
        if self._was_ready:
            return _say(scope, receive, send, 200, b"ready\n")
        return self._ask(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                self._was_ready = True
            await send(message)

        await self._app(scope, receive, noting)


class Draining:
    """The application, whose /readyz is 503 from `begin` on. Everything else goes on."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._begun = False

    def begin(self) -> None:
        self._begun = True

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if self._begun and scope["type"] == "http" and scope["path"] == PATH:
            return _say(scope, receive, send, 503, b"about to end\n")
        return self._app(scope, receive, send)


async def _say(scope: Scope, receive: Receive, send: Send, status: int, body: bytes) -> None:
    headers = ((b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)))
    await send_answer(send, Body.of(Visit(scope), receive), Answer(status, headers, body))
