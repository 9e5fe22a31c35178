"""The gateway: one ASGI application for /v2, /charts, /token, /console and health; on one machine for the API too.

uvicorn gateway:app --factory     from the environment; API Gateway serves the management API
build(stack)                      on ports that somebody else opened, and closes
build(stack, api)                 the same, with what serves the management API (`host.bridge`)
build(stack, api, pool)           one process of several, which answers for all of them at /metrics
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

from chalicelib.caching.pull_through import PullThrough
from chalicelib.charts.application import ChartRepository
from chalicelib.credentials.endpoint import TokenApplication
from chalicelib.edge.asgi import Answer, Application, Body, Receive, Scope, Send, Visit, send_answer
from chalicelib.edge.exposition import Exposition, may_read
from chalicelib.edge.log import logger
from chalicelib.edge.pooling import Pool
from chalicelib.edge.refusals import error
from chalicelib.edge.requests import request_id_of
from chalicelib.edge.tally import Flushing
from chalicelib.edge.traffic import Traffic
from chalicelib.kernel.errors import Refused
from chalicelib.kernel.settings import Settings
from chalicelib.ports.objects import ObjectMissing
from chalicelib.ports.stack import Stack, open_stack
from chalicelib.ports.table import Key
from chalicelib.registry.protocol import Protocol
from chalicelib.repositories.service import Repositories

# A store that takes longer to answer is not ready.
READY_TIMEOUT_S: Final = 5.0


class Gateway:
    """Sends each request to whom its path belongs. owns: the stack is closed at shutdown."""

    def __init__(self, stack: Stack, api: Application | None = None, pool: Pool | None = None, *, owns: bool) -> None:
        self._stack = stack
        self._api = api
        self._owns = owns
        self._registry = Protocol(stack, PullThrough(stack))
        self._charts = ChartRepository(stack)
        self._console = _console(stack) if stack.settings.serve_console else self._others
        self._token = TokenApplication(stack, Repositories(stack).permitted)
        self._flushing = Flushing(stack)
        self._traffic = Traffic(stack.clock, logs=stack.settings.logs_requests)
        self._exposition = Exposition(stack, "gateway", self._traffic, pool)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._traffic.serve(self._application(scope["path"]), scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    def _application(self, path: str) -> Application:
        if path.startswith("/v2/") or path == "/v2":
            return self._registry
        if path == "/token":
            return self._token
        if path.startswith("/charts/"):
            return self._charts
        if self._api is not None and path.startswith("/api/"):
            return self._api
        if path.startswith("/console/") or path == "/console":
            return self._console
        return self._others

    async def _others(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._plain(scope)
        headers = (*answer.headers, (b"x-request-id", request_id_of(scope)))
        await send_answer(send, Body.of(Visit(scope), receive), Answer(answer.status, headers, answer.body))

    async def _plain(self, scope: Scope) -> Answer:
        path: str = scope["path"]
        if path == "/metrics" and scope["method"] in ("GET", "HEAD") and may_read(scope, self._stack.settings):
            media_type, body = await self._stack.write(self._exposition.text)
            headers = ((b"content-type", media_type), (b"content-length", b"%d" % len(body)))
            return Answer(200, headers, body)
        if path == "/" and scope["method"] in ("GET", "HEAD") and self._stack.settings.serve_console:
            return Answer(307, ((b"location", b"/console/"), (b"content-length", b"0")))
        if path == "/healthz":
            return _text(200, b"alive\n")
        if path == "/readyz":
            return _text(200, b"ready\n") if await self._ready() else _text(503, b"a store does not answer\n")
        return error(404, "UNSUPPORTED", "there is nothing at this path")

    async def _ready(self) -> bool:
        try:
            await asyncio.wait_for(self._stack.write(_touch_stores, self._stack), READY_TIMEOUT_S)
        except (Refused, OSError, TimeoutError) as unready:
            logger.warning("failed to reach a store", reason=type(unready).__name__)
            return False
        return True

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._flushing.start()
                self._exposition.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self._flushing.stop)
                await asyncio.to_thread(self._exposition.stop)
                if self._owns:
                    self._stack.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def build(stack: Stack, api: Application | None = None, pool: Pool | None = None) -> Application:
    """The application on these ports, which the caller opened and closes. api: whatever lies under /api/."""
    return Gateway(stack, api, pool, owns=False)


def app() -> Application:
    """The application that the environment describes."""
    return Gateway(open_stack(Settings.from_environment(os.environ)), owns=True)


def _console(stack: Stack) -> Application:
    """It brings the whole management API along, which takes a second to load and 40 MB: only where it is served."""
    from chalicelib.console.application import Console
    from chalicelib.gate import ServiceGate

    return Console(stack, ServiceGate())


def _touch_stores(stack: Stack) -> None:
    """Reads what is not there: any answer will do."""
    stack.table.get(Key("READY", "READY"))
    try:
        stack.objects(stack.settings.bucket).get("ready").close()
    except ObjectMissing:
        return


def _text(status: int, body: bytes) -> Answer:
    return Answer(status, ((b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))), body)
