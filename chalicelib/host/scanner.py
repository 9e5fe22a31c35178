"""A process that reads layers: brings app.py's handlers the messages of some queues, and ends when there are none.

python -m chalicelib.host.scanner <queue>[,<queue> …] [descriptor of the pool of metrics]
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Final

from chalice.app import SQSEventConfig

from chalicelib.edge.exposition import Exposition
from chalicelib.edge.log import logger
from chalicelib.edge.pooling import Pool

from .allocation import give_large_blocks_back
from .parent import die_with_parent
from .pumps import FIRST_RETRY_S, IDLE_S, QueuePump

# Behind the other consumers, which are behind the gateway.
NICENESS: Final = 5
# Long enough that the pushes of one build find it still there.
IDLE_FOR_S: Final = 20.0


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
    handlers = app.app.handler_map
    pumps = [QueuePump(one.name, handlers[one.name], stack.queues, one.name, one.batch_size) for one in sources]
    work_off(pumps)
    exposition.stop()
    stack.close()


def work_off(pumps: list[QueuePump], idle_for_s: float = IDLE_FOR_S) -> None:
    """One message of each in turn, so that none waits for all of another's, until there were none for so long."""
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < idle_for_s:
        pauses = [_stepped(pump) for pump in pumps]
        if min(pauses) == 0:
            idle_since = time.monotonic()
        else:
            time.sleep(min(pauses))


def _stepped(pump: QueuePump) -> float:
    try:
        return pump.step()
    except Exception:
        logger.exception("failed to pump", pump=pump.name, retry_in_s=FIRST_RETRY_S)
        return max(FIRST_RETRY_S, IDLE_S)


if __name__ == "__main__":
    main()
