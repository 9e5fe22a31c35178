"""The gateway of the AWS stack as its container starts it; the stores are out of reach here (see tests/infra)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from chalicelib.host import probe
from chalicelib.host.gateway import serve_gateway
from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.settings import Settings
from tests.host.test_child import is_alive, wait_until
from tests.serving import PROJECT, free_port, process_tree

# Answers at once, but /slow, which begins to answer and ends when the file named by its query is gone.
SERVER = """
import asyncio, os, sys
from chalicelib.host.listeners import listen
from chalicelib.host.server import run_gateway
from chalicelib.kernel.settings import Settings

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            what = (await receive())["type"]
            await send({"type": what + ".complete"})
            if what == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/slow":
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        while os.path.exists(scope["query_string"]):
            await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"ended"})

listeners = listen(Settings.from_environment(os.environ))
run_gateway(app, listeners.settings, listeners.sockets, lambda: print(listeners.settings.port, flush=True))
"""


@contextmanager
def running(*command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, **variables}
    arguments = [sys.executable, *command]
    with subprocess.Popen(
        arguments, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def status(url: str) -> int:
    """0: nobody listens there."""
    try:
        return httpx.get(url, trust_env=False, timeout=20).status_code
    except httpx.TransportError:
        return 0


def far_from_aws(**variables: str) -> Mapping[str, str]:
    """The environment of a task, with stores at a port where nobody listens."""
    given = {"CRS_STACK": "aws", "CRS_SECRET_KEY": "k" * 64, "CRS_GATEWAY_PROCESSES": "1"}
    aws = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return {**given, **aws, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", **variables}


def test_requests_are_taken_on_while_it_drains_and_those_under_way_end(tmp_path: Path) -> None:
    """R8: a pull that began before SIGTERM, and one that began after it, both come to their end."""
    slow = tmp_path / "slow"
    slow.touch()
    with running("-c", SERVER, CRS_PORT="0", CRS_DRAIN_S="2", CRS_END_WITHIN_S="20") as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        with httpx.stream("GET", f"{url}/slow?{slow}", trust_env=False) as pull:
            pieces = pull.iter_bytes()
            assert next(pieces) == b"begun "
            assert status(f"{url}/readyz") == 200
            server.send_signal(signal.SIGTERM)
            wait_until(lambda: status(f"{url}/readyz") == 503)
            assert status(f"{url}/v2/") == 200
            wait_until(lambda: status(f"{url}/v2/") == 0)  # the drain is over
            assert server.poll() is None
            slow.unlink()
            assert b"".join(pieces) == b"ended"
        assert server.wait(20) == 0


def test_a_second_sigterm_ends_the_drain() -> None:
    with running("-c", SERVER, CRS_PORT="0", CRS_DRAIN_S="3600") as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: status(f"{url}/readyz") == 503)
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0


def test_both_listeners_answer_and_none_is_ready_before_the_stores_are() -> None:
    public, internal = free_port(), free_port()
    environment = far_from_aws(CRS_PORT=str(public), CRS_INTERNAL_PORT=str(internal))
    with running("-m", "chalicelib.cli", "gateway", **environment) as gateway:
        for port in (public, internal):
            wait_until(lambda port=port: status(f"http://127.0.0.1:{port}/healthz") == 200)
            assert status(f"http://127.0.0.1:{port}/readyz") == 503
        assert status(f"http://127.0.0.1:{public}/api/v1/accounts") == 404  # functions answer the API
        assert probe.alive(public)
        children = process_tree(gateway.pid)[1:]
        assert len(children) == 1
        gateway.terminate()
        assert gateway.wait(20) == 0
        assert not probe.alive(public)
        assert not any(is_alive(child) for child in children)


def test_the_gateway_alone_is_for_the_aws_stack() -> None:
    with pytest.raises(Invalid, match="on one machine run `serve`"):
        serve_gateway(Settings(stack="embedded"))


def test_a_port_that_is_taken_ends_the_start_with_one_line() -> None:
    with running("-c", SERVER, CRS_PORT="0") as other:
        assert other.stdout is not None
        port = other.stdout.readline().strip()
        with running("-m", "chalicelib.cli", "gateway", **far_from_aws(CRS_PORT=port)) as gateway:
            assert gateway.wait(60) == 1
            assert gateway.stderr is not None
            said = gateway.stderr.read()
    assert "CRS_PORT" in said
    assert "Traceback" not in said
