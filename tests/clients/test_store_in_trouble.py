"""A client over real sockets while the stores behind the gateway are in trouble (R6)."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import gateway
from chalicelib.collection.service import Fsck
from chalicelib.credentials.service import Credentials
from chalicelib.ports.stack import Stack
from tests.clients.conftest import Shell, program
from tests.faults.ports import FAIL_AFTER, FAIL_BEFORE, FAIL_UNSAID, TABLE_WRITES, Faults, faulty
from tests.registry.library import Library
from tests.serving import free_port
from tests.stacks import embedded_stack, make_instance, make_namespace

pytestmark = pytest.mark.clients

LOGIN = ("admin", "correct-horse-battery")
# Clients try three times or so: more would have none of their pushes come through.
EVERY = 40
_START_S = 20.0


class Flaky(Faults):
    """One call in so many fails: without effect, with it, or without a word."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds = itertools.cycle((FAIL_BEFORE, FAIL_AFTER, FAIL_UNSAID))
        self.failed = 0

    def call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if len(self.calls) % EVERY == EVERY - 1:
            self.failed += 1
            self.plan[len(self.calls) + 1] = next(self._kinds) if name in TABLE_WRITES else FAIL_BEFORE
        return super().call(name, function, *args, **kwargs)


@contextmanager
def served(stack: Stack) -> Iterator[str]:
    """Host and port."""
    port = free_port()
    config = uvicorn.Config(gateway.build(stack), host="127.0.0.1", port=port, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + _START_S
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def test_crane_gets_its_image_there_and_back_whole(shell: Shell, tmp_path: Path) -> None:
    """R6"""
    with embedded_stack(tmp_path) as stack:
        instance = make_instance(stack, "default", "personal")
        make_namespace(stack, instance)
        Credentials(stack).create(instance, *LOGIN)
        Library(stack, instance).push("v1", layers=tuple(b"layer %d " % number * 5000 for number in range(6)))
        flaky = Flaky()
        with served(faulty(stack, flaky)) as host:
            source, username, password = f"{host}/library/app:v1", *LOGIN
            _until_done(shell, "auth", "login", host, "-u", username, "--password-stdin", stdin=password)
            _until_done(shell, "pull", "--format", "oci", source, shell.home / "image")
            for number in range(5):
                _until_done(shell, "push", shell.home / "image", f"{host}/library/copy-{number}:v1")
                back = shell.home / f"copy-{number}"
                _until_done(shell, "pull", "--format", "oci", f"{host}/library/copy-{number}:v1", back)
        assert flaky.failed >= 5
        assert [found for found in Fsck(stack, deep=True).run() if found.kind == "lost"] == []


def _until_done(shell: Shell, *arguments: str | Path, stdin: str | None = None) -> None:
    """People try again; what a client saw meanwhile was nothing worse than a store that is busy."""
    for _ in range(3):
        command = [program("crane"), *map(str, arguments)]
        done = subprocess.run(
            command, input=stdin, env=shell.environment(), capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode == 0:
            return
        assert "503" in done.stderr or "UNAVAILABLE" in done.stderr, done.stderr
    pytest.fail(f"crane {arguments[0]} never came through")
