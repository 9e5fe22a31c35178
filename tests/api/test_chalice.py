"""What Chalice itself does with the app: `chalice local` serves it, and API Gateway can hold it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import app as service
from chalicelib.host.first_start import first_start
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import open_stack
from tests.serving import PASSWORD, PROJECT, free_port

# What API Gateway lets one REST API have, and nobody can ask for more.
MOST_RESOURCES = 300
# Nor a request that takes longer.
LONGEST_REQUEST_S = 29


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `chalice local` on a folder that has had its first start."""
    folder: Path = tmp_path_factory.mktemp("local")
    with open_stack(Settings(data=folder / "data", admin_password=PASSWORD)) as stack:
        first_start(stack)
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("chalice")), "local", "--stage", "local", "--port", str(port),
        "--no-autoreload",
    ]  # fmt: skip
    environment = {**os.environ, "CRS_DATA": str(folder / "data")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(process, f"http://127.0.0.1:{port}", folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{url}/api/v1/me", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(log.read_text()[-2000:])


def test_chalice_local_serves_the_api(local: str) -> None:
    with httpx.Client(base_url=f"{local}/api/v1", trust_env=False) as client:
        assert client.get("/me").status_code == 401
        signed_in = client.post("/session", json={"username": "admin", "password": PASSWORD})
        assert signed_in.status_code == 201, signed_in.text
        client.headers["Authorization"] = f"Bearer {signed_in.json()['token']}"
        (instance,) = client.get("/instances").json()["items"]
        made = client.post(f"/instances/{instance['id']}/namespaces", json={"name": "acme"})
        assert made.status_code == 201, made.text
        assert client.get("/instances/default/namespaces/acme").json() == made.json()


def test_api_gateway_can_hold_every_path() -> None:
    resources = set()
    for path in service.app.routes:
        parts = path.strip("/").split("/")
        resources |= {tuple(parts[:length]) for length in range(1, len(parts) + 1)}
    assert len(resources) < MOST_RESOURCES


def test_every_function_has_its_memory_and_its_time() -> None:
    functions = json.loads((PROJECT / ".chalice" / "config.json").read_text())["lambda_functions"]
    assert set(functions) == {"api_handler", *(source.name for source in service.app.event_sources)}
    assert functions["api_handler"]["lambda_timeout"] <= LONGEST_REQUEST_S
