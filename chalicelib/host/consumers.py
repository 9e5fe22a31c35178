"""The consumers' process: brings app.py's handlers their events, as Lambda would. Ends when its parent does.

python -m chalicelib.host.consumers [descriptor of the pool of metrics] < pipe of the parent's
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from typing import Final

from chalice.app import Chalice, CloudWatchEventConfig, ScheduledEventConfig, SQSEventConfig

from chalicelib.edge.exposition import Exposition
from chalicelib.edge.log import logger
from chalicelib.edge.pooling import Pool
from chalicelib.kernel.settings import Settings
from chalicelib.ports.embedded.spool import Spool
from chalicelib.ports.embedded.stack import Buckets
from chalicelib.ports.stack import Stack

from . import scanners
from .parent import die_with_parent
from .pumps import EventPump, Pump, Pumping, QueuePump, SchedulePump

# Requests come first; work that nobody waits for takes what is left of the processor.
NICENESS: Final = 10
END_WITHIN_S: Final = 8.0
_RATE: Final = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_SECONDS: Final = {"minute": 60, "hour": 3600, "day": 86400}
# Whoever waits for servers of users: each holds up one of so many.
_AT_ONCE: Final = {"webhooks": 4}
# The finest rate the cloud has; one machine runs such schedules every CRS_SWEEP_INTERVAL_S.
_FINEST_S: Final = 60


def pumps_of(app: Chalice, stack: Stack) -> list[Pump]:
    """A pump, or several, for every event source the app declares, in its order; none for those of the scanners."""
    if not isinstance(stack.objects, Buckets):
        raise TypeError("only the embedded stack is pumped; on AWS events come by themselves")
    spool = stack.objects.spool
    return [
        _pump(app, source, stack, spool)
        for source in app.event_sources
        if source.name not in scanners.QUEUES
        for _ in range(_AT_ONCE.get(source.name, 1))
    ]


def every_s(expression: str, settings: Settings) -> float:
    """Seconds between two runs of a `rate(…)`. Raises ValueError for other expressions."""
    match = _RATE.fullmatch(expression)
    if match is None:
        raise ValueError(f"the embedded host runs rates only, not {expression}")
    seconds = int(match[1]) * _SECONDS[match[2]]
    return settings.sweep_interval_s if seconds == _FINEST_S else seconds


def _pump(app: Chalice, source: object, stack: Stack, spool: Spool) -> Pump:
    if isinstance(source, SQSEventConfig):
        queue = (source.queue or "").removeprefix(stack.settings.queue_prefix)
        return QueuePump(source.name, app.handler_map[source.name], stack.queues, queue, source.batch_size)
    if isinstance(source, ScheduledEventConfig):
        expression = source.schedule_expression
        rate = expression if isinstance(expression, str) else expression.to_string()
        return SchedulePump(source.name, app.handler_map[source.name], every_s(rate, stack.settings), stack.clock)
    if isinstance(source, CloudWatchEventConfig):
        return EventPump(source.name, app.handler_map[source.name], spool, stack.clock)
    raise TypeError(f"the embedded host knows no event source {type(source).__name__}")


def main() -> None:
    os.nice(NICENESS)
    die_with_parent(os.getppid())
    # Ctrl-C reaches the whole group; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import app

    ending = threading.Event()
    stack = app.stack()
    pool = int(sys.argv[1]) if len(sys.argv) > 1 else None
    exposition = Exposition(stack, "consumers", None, None if pool is None else Pool(pool))
    exposition.start()
    pumps = [*pumps_of(app.app, stack), *scanners.pumps(stack.queues, pool)]
    threads = [Pumping(pump, ending) for pump in pumps]
    for thread in threads:
        thread.start()
    sys.stdin.buffer.read()
    ending.set()
    for thread in threads:
        thread.join(END_WITHIN_S)
    exposition.stop()
    stack.close()
    logger.debug("consumers done")


if __name__ == "__main__":
    main()
