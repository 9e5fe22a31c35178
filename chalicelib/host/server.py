"""The gateway process: uvicorn on uvloop and httptools, every listener in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import time
from collections.abc import Callable, Iterator
from socket import socket
from types import FrameType
from typing import Any, Final

import uvicorn
import uvloop

from chalicelib.edge.log import logger
from chalicelib.kernel.settings import Settings

from .listeners import BACKLOG
from .readiness import Draining
from .sendfile import SendfileProtocol

# Idle connections are kept longer than load balancers and clients keep them, so that they let them go first.
KEEP_ALIVE_MORE_S: Final = 15


class GatewayServer(uvicorn.Server):
    """uvicorn, except that SIGTERM and Ctrl-C end it without being raised once more, so that the host can clean up,
    and that after the first SIGTERM it takes requests on for a while.

    drain   that long, in seconds, and what is called as it begins
    """

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], drain: tuple[int, Callable[[], None]]
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._drain_s, self._draining = drain
        self._end_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM and self._drain_s and self._end_at is None:
            self._draining()
            self._end_at = time.monotonic() + self._drain_s
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if self._end_at is not None and time.monotonic() >= self._end_at:
            self.should_exit = True
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        # What start-up made lives as long as the process: the collector need not look at it with every cycle.
        gc.collect()
        gc.freeze()
        self._ready()


def run_gateway(app: Any, settings: Settings, sockets: list[socket], ready: Callable[[], None]) -> None:
    """Serves until SIGTERM or Ctrl-C. `ready` is called once requests are answered."""
    _log_as_the_service_does()
    draining = Draining(app)
    config = uvicorn.Config(
        draining if settings.drain_s else app,
        http=SendfileProtocol,
        loop="uvloop",
        ws="none",
        interface="asgi3",
        access_log=False,
        log_config=None,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=settings.idle_timeout_s + KEEP_ALIVE_MORE_S,
        timeout_graceful_shutdown=settings.end_within_s,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    server = GatewayServer(config, ready, (settings.drain_s, draining.begin))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=sockets))


def _log_as_the_service_does() -> None:
    """What the server and its event loop have to say is a JSON object a line too."""
    for name in ("uvicorn", "asyncio"):
        theirs = logging.getLogger(name)
        theirs.handlers, theirs.propagate = list(logger.handlers), False
