"""A server under test: started in a group of its own, waited for, measured with all its children, and ended by its id.

Figures come from ``/proc`` and cover the whole process tree, threads and reaped children included:
CPU is ``utime + stime + cutime + cstime``, memory the sum of each process's peak resident set (``VmHWM``) since the
last reset. Pages that processes share count once for each of them: the sum errs against servers of several processes.
"""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_RESET_PEAK = "5"
"""What ``/proc/<pid>/clear_refs`` takes to start VmHWM anew (proc(5))."""


class ServerFailed(Exception):
    """The server ended, or did not become ready in time; the text ends with the tail of its log."""


@dataclass(frozen=True)
class Launch:
    """How to start one server. ``unset`` names variables it must not inherit."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    unset: tuple[str, ...] = ()
    folder: Path | None = None


class Server:
    """A running server; a context manager, so that it ends with the block however that ends."""

    def __init__(self, launch: Launch, ready_url: str, log: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in launch.unset}
        begun = time.perf_counter()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                launch.argv,
                env={**environment, **launch.environment},
                cwd=launch.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._log = log
        self._stopped = False
        try:
            self._wait_until_ready(ready_url)
        except BaseException:
            self.stop()
            raise
        self.ready_after_s = time.perf_counter() - begun

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_ready(self, url: str) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerFailed(f"ended with {self._process.returncode} before it was ready: {self.log_tail()}")
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise ServerFailed(f"not ready after {_READY_TIMEOUT_S:.0f} s: {self.log_tail()}")

    def log_tail(self) -> str:
        """The end of what the server has printed: why it refused, where it says so."""
        return self._log.read_text(errors="replace")[-2000:]

    def cpu_s(self) -> float:
        """CPU seconds the tree has used so far, user and system."""
        return sum(_cpu_ticks(pid) for pid in self._tree()) / _TICKS_PER_S

    def reset_peak_memory(self) -> None:
        """Starts the peak anew for every process of the tree."""
        for pid in self._tree():
            try:
                Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)
            except OSError:
                continue

    def peak_memory_bytes(self) -> int:
        """The tree's peak resident memory since the last reset."""
        return sum(_peak_bytes(pid) for pid in self._tree())

    def stop(self) -> None:
        """Asks the server to end, then makes it and what it started end."""
        if self._stopped:
            return
        self._stopped = True
        group = self._process.pid
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _tree(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for entry in os.listdir("/proc"):
            if entry.isdecimal():
                fields = _stat_fields(int(entry))
                if fields:
                    children.setdefault(int(fields[1]), []).append(int(entry))
        found = [self._process.pid]
        for pid in found:
            found.extend(children.get(pid, ()))
        return found


def _stat_fields(pid: int) -> list[str]:
    """Fields of ``/proc/<pid>/stat`` from the state on, empty when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _cpu_ticks(pid: int) -> int:
    fields = _stat_fields(pid)
    return sum(int(ticks) for ticks in fields[11:15])


def _peak_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
