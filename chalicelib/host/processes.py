"""One service in several processes that take requests from the same sockets.

    parent    waits for signals and for the ends of its children; answers no request itself
    child     a program of its own, which inherits the sockets and nothing else

    SIGTERM ─► to each child, and again if it comes again        a child that dies ─► another one, after a pause
    SIGINT  ─► to each child                                     one that dies before any ever served ─► all end

Connections that nobody took yet lie in the sockets, which the parent holds too: a child that dies loses its own alone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from socket import socket
from typing import Final

from chalicelib.edge.log import logger

from .child import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_AFTER_S

_WATCHED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_FAILED: Final = 1


@dataclass(frozen=True)
class Program:
    """What each child runs: Python with these arguments, to which are added this process's id, the descriptor into
    which it writes a byte once it answers requests, and the descriptors of the sockets."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    sockets: Sequence[socket]

    def start(self, tell: int) -> int:
        """Its process id."""
        inherited = [tell, *(one.fileno() for one in self.sockets)]
        for descriptor in inherited:
            os.set_inheritable(descriptor, True)
        command = [sys.executable, *self.arguments, str(os.getpid()), *map(str, inherited)]
        # In a group of its own: Ctrl-C reaches a whole group, and the parent alone decides what it means.
        return os.posix_spawn(sys.executable, command, self.environment, setpgroup=0, setsigmask=())


@dataclass(frozen=True)
class _Child:
    """told: the end of a pipe into which the child writes once it serves."""

    started: float
    told: int

    def has_served(self) -> bool:
        try:
            return bool(os.read(self.told, 1))
        except BlockingIOError:
            return False


class Processes:
    """end_within_s: how long children may take to end after the first signal; then they are killed."""

    def __init__(self, program: Program, count: int, end_within_s: float) -> None:
        self._program = program
        self._count = count
        self._end_within_s = end_within_s
        self._children: dict[int, _Child] = {}
        self._pause_s = FIRST_PAUSE_S
        self._restart_at: list[float] = []
        self._kill_at: float | None = None
        self._served = False
        self._code = 0

    def run(self) -> int:
        """Until SIGTERM or SIGINT; answers the exit code. Changes this process's signal mask: nothing else may run."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        for _ in range(self._count):
            self._start()
        while self._children or self._restart_at:
            received = signal.sigtimedwait(_WATCHED, self._wait_s())
            if received is not None and received.si_signo != signal.SIGCHLD:
                self._end(signal.Signals(received.si_signo))
            # One SIGCHLD may stand for several ends, and other signals may have hidden it.
            self._bury()
            self._act_on_time()
        return self._code

    def _wait_s(self) -> float:
        times = [*self._restart_at, *([] if self._kill_at is None else [self._kill_at])]
        return max(0.0, min(times) - time.monotonic()) if times else 3600.0

    def _act_on_time(self) -> None:
        now = time.monotonic()
        if self._kill_at is not None and now >= self._kill_at:
            logger.error("failed to end in time", processes=len(self._children))
            self._signal(signal.SIGKILL)
            self._kill_at = now + self._end_within_s
        due = [moment for moment in self._restart_at if moment <= now]
        self._restart_at = [moment for moment in self._restart_at if moment > now]
        for _ in due:
            self._start()

    def _start(self) -> None:
        told, tell = os.pipe()
        os.set_blocking(told, False)
        child = self._program.start(tell)
        os.close(tell)
        self._children[child] = _Child(time.monotonic(), told)

    def _bury(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            # As the first process of a container we are given the orphans of others too.
            child = self._children.get(pid)
            if child is not None:
                self._served = self._served or any(one.has_served() for one in self._children.values())
                del self._children[pid]
                os.close(child.told)
                self._after(child, os.waitstatus_to_exitcode(status))

    def _after(self, child: _Child, code: int) -> None:
        if self._kill_at is not None:
            # One that was still starting ends by the signal itself.
            self._code = self._code or (0 if code == -signal.SIGTERM else abs(code))
            return
        if not self._served:
            # A configuration that does not work will not work the next time either: whoever started us should see it.
            self._code = abs(code) or _FAILED
            self._end(signal.SIGTERM)
            return
        if time.monotonic() - child.started > STEADY_AFTER_S:
            self._pause_s = FIRST_PAUSE_S
        logger.warning("gateway process ended", exit_code=code, restart_in_s=self._pause_s)
        self._restart_at.append(time.monotonic() + self._pause_s)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _end(self, number: signal.Signals) -> None:
        self._restart_at = []
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self._end_within_s
        self._signal(number)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._children:
            os.kill(pid, number)
