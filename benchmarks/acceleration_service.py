"""The service as its users run it, told to accelerate images, and how long that took it."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.api import ask
from benchmarks.lazy_client import Registry
from benchmarks.process import Launch, Server
from benchmarks.pushing import Pusher
from benchmarks.subjects import PROJECT_FOLDER, Account
from benchmarks.target import Gate, open_target

ACCOUNT = Account("admin", "correct-horse-battery-42")
SUFFIX = "-accelerated"
_LONGEST_S = 1800.0
_LOOK_EVERY_S = 0.1


@contextmanager
def serving(folder: Path, port: int) -> Iterator[Server]:
    settings = {"CRS_PORT": str(port), "CRS_DATA": str(folder / "data"), "CRS_ADMIN_PASSWORD": ACCOUNT.password}
    launch = Launch((sys.executable, "-m", "chalicelib.cli", "serve"), settings, folder=PROJECT_FOLDER)
    with Server(launch, f"http://127.0.0.1:{port}/readyz", folder / "log") as server:
        yield server


@dataclass(frozen=True)
class Accelerated:
    wall_s: float
    view: dict[str, Any]


class Repository(Pusher):
    """One of the service's, made by its first push."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(open_target(port, Gate(port, ACCOUNT), name))
        self._port = port
        self._token = ask(port, "POST", "/session", body={"username": ACCOUNT.username, "password": ACCOUNT.password})[
            "token"
        ]
        self._instance = f"/instances/{ask(port, 'GET', '/instances/default', self._token)['id']}"
        self._place = f"{self._instance}/namespaces/library/repositories/{name}"

    def create(self) -> None:
        place, name = self._place.rsplit("/", 1)
        ask(self._port, "POST", place, self._token, {"name": name})

    def tell_first_files(self, files: Sequence[str]) -> None:
        ask(self._port, "PUT", f"{self._place}/first-files", self._token, {"files": list(files)})

    def begin(self, tag: str) -> str:
        """The task."""
        task: str = ask(self._port, "POST", f"{self._place}/tags/{tag}/accelerate", self._token, {})["id"]
        return task

    def ended(self, task: str) -> bool:
        told = ask(self._port, "GET", f"{self._instance}/tasks/{task}", self._token)
        if told["state"] in ("failed", "cancelled"):
            raise SystemExit(f"the conversion ended as {told['state']}: {told['error']}")
        return bool(told["state"] == "succeeded")

    def accelerate(self, tag: str) -> Accelerated:
        """From asking for it to its end, as somebody sees it who looks ten times a second."""
        began = time.perf_counter()
        task = self.begin(tag)
        while not self.ended(task):
            if time.perf_counter() - began > _LONGEST_S:
                raise SystemExit(f"{tag} is not accelerated after {_LONGEST_S:.0f} s")
            time.sleep(_LOOK_EVERY_S)
        wall_s = time.perf_counter() - began
        view = ask(self._port, "GET", f"{self._place}/tags/{tag}/acceleration", self._token)
        if view["state"] != "succeeded":
            raise SystemExit(f"{tag} is not accelerated: {view}")
        return Accelerated(wall_s, view)

    def reading(self) -> Registry:
        return Registry(self._port, self.target.repository, self.target.headers())
