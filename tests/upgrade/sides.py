"""An earlier version of the service beside this one, on the same tables, buckets and queues.

The commit in `earlier` is the last release. `earlier_tree` needs the history of the project: without it the tests are
left out, but for CI, where they fail.
"""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.lacking import lacking
from tests.ports_aws.emulators import ROOT, free_port
from tests.ports_aws.serving import opened_on_aws, wait_for

COMMIT = (Path(__file__).parent / "earlier").read_text().strip()


def earlier_tree(folder: Path) -> Path:
    """The earlier version's files, tests included."""
    packed = subprocess.run(["git", "archive", COMMIT], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        lacking(f"no history of this project with {COMMIT[:7]}: {packed.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@dataclass(frozen=True)
class Side:
    """One version: url of its gateway, and a program of it that does the rest (`side.py`)."""

    name: str
    url: str
    program: subprocess.Popen[str]

    def ask(self, deed: str, **wanted: Any) -> Any:
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(json.dumps({"deed": deed, **wanted}) + "\n")
        self.program.stdin.flush()
        told = json.loads(self.program.stdout.readline())
        assert "error" not in told, f"{self.name}: {deed}: {told['error']}"
        return told["answer"]

    def call(self, token: str, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """What the management API answers, which is no refusal."""
        status, answer = self.ask("call", token=token, method=method, path=path, body=body, query=query)
        assert status < 300, f"{self.name}: {method} {path}: {answer}"
        return answer


@dataclass(frozen=True)
class Both:
    earlier: Side
    present: Side

    def named(self, name: str) -> Side:
        return self.earlier if name == "earlier" else self.present

    def client(self, **more: Any) -> httpx.Client:
        """Each of its requests goes to the gateway that did not get the one before."""
        transport = Alternating([self.earlier.url, self.present.url])
        return httpx.Client(base_url=self.earlier.url, transport=transport, timeout=60, **more)


class Alternating(httpx.BaseTransport):
    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = itertools.cycle([httpx.URL(url) for url in urls])
        self._beneath = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        there = next(self._urls)
        request.url = request.url.copy_with(host=there.host, port=there.port)
        request.headers["Host"] = f"{there.host}:{there.port}"
        return self._beneath.handle_request(request)

    def close(self) -> None:
        self._beneath.close()


@contextmanager
def both_sides(folder: Path) -> Iterator[Both]:
    (folder / "earlier").mkdir()
    tree = earlier_tree(folder / "earlier")
    with opened_on_aws(folder) as opened, ExitStack() as running:
        instance = opened.environment["CRS_INSTANCE_PORTS"].partition("=")[0]
        ports = [free_port(), free_port()]
        own = ",".join(f"{instance}={port}" for port in ports)
        environment = {**opened.environment, "CRS_INSTANCE_PORTS": own, "CRS_ALLOW_PRIVATE_ADDRESSES": "true"}
        sides = [
            running.enter_context(_side(name, where, port, environment, folder))
            for name, where, port in zip(("earlier", "present"), (tree, ROOT), ports, strict=True)
        ]
        assert [side.ask("where") for side in sides] == [str(tree), str(ROOT)]
        yield Both(*sides)


@contextmanager
def _side(name: str, tree: Path, port: int, environment: Mapping[str, str], folder: Path) -> Iterator[Side]:
    environment = {**environment, "PYTHONPATH": str(tree)}
    gateway = [sys.executable, "-m", "uvicorn", "gateway:app", "--factory", "--port", str(port), "--no-access-log"]
    program = [sys.executable, str(Path(__file__).with_name("side.py"))]
    with ExitStack() as ending, (folder / f"{name}.log").open("wb") as log:
        listening = subprocess.Popen(gateway, cwd=tree, env=environment, stdout=log, stderr=log)
        ending.callback(_end, listening)
        speaking = subprocess.Popen(
            program, cwd=tree, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        ending.callback(_end, speaking)
        wait_for(listening, f"http://127.0.0.1:{port}", folder / f"{name}.log")
        yield Side(name, f"http://127.0.0.1:{port}", speaking)


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    process.wait(30)
