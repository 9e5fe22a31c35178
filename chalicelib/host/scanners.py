"""Processes of their own for work that reads and moves layers: there only while there is some.

    consumers ─► Scanners: something on the queues? ─► chalicelib.host.scanner ─► nothing for a while: it ends

Pulls never wait for it: it has what is left of the processor. Two at once use two cores, which threads of one process
would not, and the memory that a large layer took goes back with the process. Layers are converted by one process, which
uses every core by threads of its own; a conversion that takes minutes so holds up no scan. Images are brought from one
place to another by one process too, a few at a time, since they wait for other servers more than they work.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Final

from chalicelib.edge.log import logger
from chalicelib.ports.queues import Queues

from .pumps import IDLE_S

# Event sources of app.py that they bring, each the name of its queue: those of scanners, of the converter, and of
# whoever transfers.
SCANS: Final = ("scans", "rescans")
CONVERSIONS: Final = ("conversions",)
TRANSFERS: Final = ("transfers",)
QUEUES: Final = (*SCANS, *CONVERSIONS, *TRANSFERS)
# One that ends so soon, and badly, is not started again at once.
PAUSE_S: Final = 5.0
MOST: Final = 2

Start = Callable[[], "subprocess.Popen[bytes]"]


class Scanners:
    """As many processes as there are messages, up to one a core and two in all. A pump of the consumers.

    named   the queues whose messages they work off
    """

    def __init__(
        self,
        queues: Queues,
        start: Start,
        most: int = min(MOST, os.cpu_count() or 1),
        named: Sequence[str] = SCANS,
    ) -> None:
        self.name = f"scanners of {named[0]}"
        self._queues = queues
        self._start = start
        self._named = named
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
        waiting = sum(self._queues.depth(queue) for queue in self._named)
        for _ in range(min(waiting, self._most) - len(self._running)):
            self._running.append(self._start())
        return IDLE_S


def pumps(queues: Queues, pool: int | None) -> list[Scanners]:
    """pool: descriptor of the pool of metrics."""
    return [
        Scanners(queues, starting(pool, SCANS)),
        Scanners(queues, starting(pool, CONVERSIONS), most=1, named=CONVERSIONS),
        Scanners(queues, starting(pool, TRANSFERS), most=1, named=TRANSFERS),
    ]


def starting(pool: int | None, named: Sequence[str]) -> Start:
    """named: the queues whose messages it works off."""
    inherited = () if pool is None else (pool,)
    command = [sys.executable, "-m", "chalicelib.host.scanner", ",".join(named), *map(str, inherited)]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=inherited)  # noqa: S603 (our own module)

    return start
