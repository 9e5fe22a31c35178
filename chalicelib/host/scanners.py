"""Processes of their own for work that reads layers: there only while there is some.

    consumers ─► Scanners: something on the queues? ─► chalicelib.host.scanner ─► nothing for a while: it ends

Pulls never wait for it: it has what is left of the processor. Two at once use two cores, which threads of one process
would not, and the memory that a large layer took goes back with the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Final

from chalicelib.edge.log import logger
from chalicelib.ports.queues import Queues

from .pumps import IDLE_S

# Event sources of app.py that they bring, each the name of its queue.
QUEUES: Final = ("scans", "rescans")
# One that ends so soon, and badly, is not started again at once.
PAUSE_S: Final = 5.0
MOST: Final = 2

Start = Callable[[], "subprocess.Popen[bytes]"]


class Scanners:
    """As many processes as there are messages, up to one a core and two in all. A pump of the consumers."""

    name = "scanners"

    def __init__(self, queues: Queues, start: Start, most: int = min(MOST, os.cpu_count() or 1)) -> None:
        self._queues = queues
        self._start = start
        self._most = most
        self._running: list[subprocess.Popen[bytes]] = []

    def step(self) -> float:
        ended = [process for process in self._running if process.poll() is not None]
        self._running = [process for process in self._running if process not in ended]
        broken = [process.returncode for process in ended if process.returncode]
        if broken:
            logger.warning("scanner ended", exit_code=broken[0], restart_in_s=PAUSE_S)
            return PAUSE_S
        # Hidden messages count: somebody is at them.
        waiting = sum(self._queues.depth(queue) for queue in QUEUES)
        for _ in range(min(waiting, self._most) - len(self._running)):
            self._running.append(self._start())
        return IDLE_S


def starting(pool: int | None) -> Start:
    """pool: descriptor of the pool of metrics."""
    inherited = () if pool is None else (pool,)
    command = [sys.executable, "-m", "chalicelib.host.scanner", *map(str, inherited)]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=inherited)  # noqa: S603 (our own module)

    return start
