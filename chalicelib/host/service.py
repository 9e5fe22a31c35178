"""The embedded service whole: a lock on its data folder, listeners, first start, consumers, gateway."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from chalicelib.edge.log import logger
from chalicelib.edge.pooling import Pool
from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack, open_stack

from .allocation import give_large_blocks_back
from .bridge import ApiBridge
from .child import ConsumersProcess
from .first_start import FirstStart, first_start
from .listeners import listen, require_tls_files
from .lock import DataFolderLock
from .server import run_gateway
from .welcome import welcome


def serve(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Until SIGTERM or Ctrl-C. Raises InUse (data folder), Invalid (ports, TLS files).

    The order matters: a port that is taken must not leave a half-made data folder behind, and no consumer may run
    before the lock is held.
    """
    _check(settings)
    give_large_blocks_back()
    signal.signal(signal.SIGTERM, _end_before_serving)
    with DataFolderLock(settings.data):
        listeners = listen(settings)
        try:
            stack = open_stack(listeners.settings)
            try:
                _run(stack, first_start(stack), listeners.sockets, say)
            finally:
                stack.close()
        finally:
            listeners.close()
    logger.info("service ended")


def _run(stack: Stack, start: FirstStart, sockets: list[Any], say: Callable[[str], None]) -> None:
    pool = Pool.make()
    consumers = ConsumersProcess(stack.settings, pool=pool)

    def ready() -> None:
        # Requests first: the consumers' start takes a core for half a second.
        consumers.start()
        say(welcome(stack, start))

    try:
        chalice = importlib.import_module("app").app
        app = importlib.import_module("gateway").build(stack, ApiBridge(stack, chalice, chalice.routes), pool)
        run_gateway(app, stack.settings, sockets, ready)
    finally:
        consumers.end()


def _check(settings: Settings) -> None:
    if settings.stack != "embedded":
        raise Invalid("CRS_STACK", "serve runs the embedded stack; on AWS run `gateway`")
    require_tls_files(settings)


def _end_before_serving(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
