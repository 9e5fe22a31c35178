"""Starts the service as its users do, on a data folder of the test's own, and ends it again.

with serving(tmp_path / "data") as service:
    httpx.get(f"{service.url}/v2/", auth=service.login)
    service.kill()                                       kill -9 of the whole process group
    service.start()                                      the same folder, port and password again
    service.resident_bytes()                             of the service and all its children
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
PROJECT = Path(__file__).resolve().parent.parent
PASSWORD = "correct-horse-battery-42"


class ServiceDidNotStart(RuntimeError):
    """The service ended, or was not ready in time; the message holds the end of its log."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Service:
    """One service on one data folder. `process` is the current incarnation; `start` makes the next one.

    project: the folder of the code, which another version may have.
    """

    data: Path
    port: int
    password: str = PASSWORD
    username: str = "admin"
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    project: Path = PROJECT

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def login(self) -> tuple[str, str]:
        return self.username, self.password

    @property
    def log(self) -> Path:
        """Standard output and error of all incarnations. Beside the data folder, not in it."""
        return self.data.with_name(self.data.name + ".log")

    def start(self, timeout_s: float = START_TIMEOUT_S) -> float:
        """Seconds until the service said it was ready. Raises ServiceDidNotStart."""
        if self.process is not None and self.process.poll() is None:
            raise RuntimeError("the service is running already")
        self.data.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        with self.log.open("ab") as log:
            # A session of its own makes the pid the group's id, so that kill() reaches children and nobody else.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "chalicelib.cli", "serve"],
                cwd=self.project, env=self._environ(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() - begun > timeout_s:
                code = self.process.poll()
                self.kill()
                raise ServiceDidNotStart(f"exit code {code}\n{self.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Asks the service to end and returns its exit code; what does not end in time is killed."""
        if self.process is None:
            return 0
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout_s)
        code = self.process.poll()
        self.kill()
        return -signal.SIGKILL if code is None else code

    def kill(self) -> None:
        """kill -9, children included, at once."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def run_cli(self, *arguments: str, timeout_s: float = 60.0) -> str:
        """Standard output of `crs …` on the same data folder, while the service runs or not."""
        done = subprocess.run(
            [sys.executable, "-m", "chalicelib.cli", *arguments],
            cwd=self.project, env=self._environ(), capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"crs {' '.join(arguments)}: {done.stderr[-2000:]}"
        return done.stdout

    def resident_bytes(self) -> int:
        """Resident memory of the service and all its descendants, added up; what they share counts for each of them."""
        assert self.process is not None
        return sum(_resident_bytes(pid) for pid in process_tree(self.process.pid))

    def _environ(self) -> dict[str, str]:
        own = {
            "CRS_PORT": str(self.port),
            "CRS_DATA": str(self.data),
            "CRS_ADMIN_PASSWORD": self.password,
            "PYTHONPATH": str(self.project),
        }
        return {**os.environ, **own, **self.environment}

    def _is_ready(self) -> bool:
        """Many questions, each of which would make httpx read the certificates of all authorities."""
        asking = HTTPConnection(self.host, timeout=2.0)
        try:
            asking.request("GET", "/readyz")
            return asking.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            asking.close()


@contextmanager
def serving(data: Path, *, port: int = 0, password: str = PASSWORD, **environment: str) -> Iterator[Service]:
    """A running service that is stopped at the end. `environment` adds settings such as CRS_INTERNAL_PORT="5002"."""
    service = Service(data, port or free_port(), password, environment=environment)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def process_tree(pid: int) -> list[int]:
    """The process and all its living descendants, from /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The command name may hold spaces and brackets: the parent is the second field after the last ')'.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting.extend(children.get(current, ()))
    return found


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
