"""A process that reads or moves layers: brings handlers of app.py messages of some queues, ends when there are none.

python -m chalicelib.host.scanner <queue>[,<queue> …] [descriptor of the pool of metrics]
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any, Final

from chalice.app import SQSEventConfig

from chalicelib.edge.exposition import Exposition
from chalicelib.edge.log import logger
from chalicelib.edge.pooling import Pool

from .allocation import give_large_blocks_back
from .parent import die_with_parent
from .pumps import FIRST_RETRY_S, IDLE_S, LambdaHandler, QueuePump

# Behind the other consumers, which are behind the gateway.
NICENESS: Final = 5
# Long enough that the pushes of one build find it still there.
IDLE_FOR_S: Final = 20.0
# Whoever waits for other servers: so many messages at once. One that takes minutes then leaves room for short ones,
# and there are seldom seconds between a push and its copy, so that the process is kept for longer.
_AT_ONCE: Final = {"transfers": 3}
_IDLE_FOR_S: Final = {"transfers": 120.0}


class Rest:
    """Since when no message was at work, of several threads together: one that is long keeps all of them there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._working = 0
        self._since = time.monotonic()

    def seconds(self) -> float:
        with self._lock:
            return 0 if self._working else time.monotonic() - self._since

    def noting(self, handler: LambdaHandler) -> LambdaHandler:
        """The handler, whose calls are work."""

        def handle(event: dict[str, Any], context: Any) -> Any:
            with self._lock:
                self._working += 1
            try:
                return handler(event, context)
            finally:
                with self._lock:
                    self._working -= 1
                    self._since = time.monotonic()

        return handle


def main() -> None:
    # What it was doing when the service ends is taken up again by another: nothing is lost by ending at once.
    die_with_parent(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    give_large_blocks_back()
    import app

    stack = app.stack()
    named = sys.argv[1].split(",")
    exposition = Exposition(stack, "consumers", None, Pool(int(sys.argv[2])) if len(sys.argv) > 2 else None)
    exposition.start()
    sources = [one for one in app.app.event_sources if isinstance(one, SQSEventConfig) and one.name in named]
    rest = Rest()
    pumps = [
        QueuePump(one.name, rest.noting(app.app.handler_map[one.name]), stack.queues, one.name, one.batch_size)
        for one in sources
    ]
    at_once = max(_AT_ONCE.get(name, 1) for name in named)
    idle_for_s = max(_IDLE_FOR_S.get(name, IDLE_FOR_S) for name in named)
    threads = [threading.Thread(target=work_off, args=(pumps, rest, idle_for_s)) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    exposition.stop()
    stack.close()


def work_off(pumps: list[QueuePump], rest: Rest, idle_for_s: float) -> None:
    """One message of each in turn, so that none waits for all of another's, until there were none for so long."""
    while rest.seconds() < idle_for_s:
        time.sleep(min(_stepped(pump) for pump in pumps))


def _stepped(pump: QueuePump) -> float:
    try:
        return pump.step()
    except Exception:
        logger.exception("failed to pump", pump=pump.name, retry_in_s=FIRST_RETRY_S)
        return max(FIRST_RETRY_S, IDLE_S)


if __name__ == "__main__":
    main()
