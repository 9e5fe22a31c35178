"""The gateway process: uvicorn on uvloop and httptools, every listener in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable, Iterator
from socket import socket
from typing import Any, Final

import uvicorn
import uvloop

from chalicelib.edge.log import logger
from chalicelib.kernel.settings import Settings

from .listeners import BACKLOG
from .sendfile import SendfileProtocol

# Longer than the 60 s after which load balancers and clients let an idle connection go, so that they do it first.
KEEP_ALIVE_S: Final = 75
# Requests under way get this long after SIGTERM.
DRAIN_S: Final = 10


class GatewayServer(uvicorn.Server):
    """uvicorn, except that SIGTERM and Ctrl-C end it without being raised once more, so that the host can clean up."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

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
    config = uvicorn.Config(
        app,
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
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    server = GatewayServer(config, ready)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=sockets))


def _log_as_the_service_does() -> None:
    """What the server and its event loop have to say is a JSON object a line too."""
    for name in ("uvicorn", "asyncio"):
        theirs = logging.getLogger(name)
        theirs.handlers, theirs.propagate = list(logger.handlers), False
