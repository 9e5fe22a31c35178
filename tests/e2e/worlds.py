"""The service as its users and its operator see it, on one machine or on AWS: what a story may know of where it runs.

    embedded   `crs serve` on a folder of its own
    aws        the packaged template on an emulator (`emulated`), and beside it `crs gateway`, the container's program

Both have short clocks, and may call a receiver of webhooks on loopback.
"""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx

from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack, open_stack
from tests.lacking import lacking
from tests.ports_aws.emulators import ROOT, clean_environment, free_port, installed
from tests.serving import PASSWORD, serving

from .emulated import NETWORK, Made, deployed, emulator, package

USERNAME = "admin"
GRACE_S = 20
# The shortest there is. For so long an upload keeps its bytes, whatever becomes of the manifest that names them.
UPLOAD_TTL_S = 60
CLOCKS = {"CRS_GRACE_S": str(GRACE_S), "CRS_TOMBSTONE_S": "1"}
ALLOWED = {"CRS_ALLOW_PRIVATE_ADDRESSES": "true", "CRS_UPLOAD_TTL_S": str(UPLOAD_TTL_S)}
# Schedules fire by the minute, and some deeds take several of them.
PATIENCE_S = 330.0
_START_S = 60.0

Seen = TypeVar("Seen")


@dataclass
class World:
    """registry: host and port as clients name it; base: of the management API's addresses.

    environment   of the command line, in which it finds the same stores
    trusted       file with the certificate of whoever answers the API, if it is no public one
    chosen        makes this process find them too
    refused       calls that policies did not allow, as logs tell of them
    """

    registry: str
    base: str
    environment: Mapping[str, str]
    trusted: str = ""
    chosen: Callable[[], AbstractContextManager[None]] = nullcontext
    refused: Callable[[], list[str]] = list
    _token: str = field(default="", repr=False)

    def ask(self, method: str, path: str, body: object = None, **query: str | int) -> httpx.Response:
        """A request of the management API as the first owner. path: below /api/v1."""
        if not self._token:
            login = {"username": USERNAME, "password": PASSWORD}
            session = self._http.post("/session", json=login)
            assert session.status_code == 201, session.text
            self._token = session.json()["token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        return self._http.request(method, path, json=body, params=query, headers=headers)

    @cached_property
    def _http(self) -> httpx.Client:
        verified = ssl.create_default_context(cafile=self.trusted or None)
        return httpx.Client(base_url=self.base, verify=verified, timeout=60, trust_env=False)

    def here(self, method: str, path: str, body: object = None, **query: str | int) -> Any:
        """The same below instance `default`; it has to succeed. Answers the JSON."""
        answer = self.ask(method, f"/instances/default{path}", body, **query)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def crs(self, *arguments: str) -> str:
        """What an operator's command line prints."""
        command = [sys.executable, "-m", "chalicelib.cli", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self._whole(), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"crs {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    @contextmanager
    def stack(self) -> Iterator[Stack]:
        """The stores, as the command line opens them."""
        with self.chosen(), open_stack(Settings.from_environment(self.environment)) as opened:
            yield opened

    def _whole(self) -> dict[str, str]:
        return clean_environment() | dict(self.environment)


def eventually(look: Callable[[], Seen], what: str, within_s: float = PATIENCE_S) -> Seen:
    """The first thing seen that is true."""
    deadline = time.monotonic() + within_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what}: not within {within_s:.0f} s, but {seen!r}"
        time.sleep(0.5)
    return seen


@contextmanager
def embedded(folder: Path) -> Iterator[World]:
    settings = CLOCKS | ALLOWED | {"CRS_SWEEP_INTERVAL_S": "2"}
    with serving(folder / "data", port=0, password=PASSWORD, **settings) as service:
        environment = settings | {"CRS_DATA": str(service.data)}
        yield World(service.host, f"{service.url}/api/v1", environment)


@contextmanager
def on_aws(folder: Path) -> Iterator[World]:
    require_emulator()
    packaged = package(folder / "package")
    with emulator(folder, **ALLOWED) as aws:
        clocks = {"GraceSeconds": CLOCKS["CRS_GRACE_S"], "TombstoneSeconds": CLOCKS["CRS_TOMBSTONE_S"]}
        made = deployed(aws, packaged, "e2e", Domain="localhost", **NETWORK, **clocks)
        _hurry(made)
        # No load balancer stands before it here, to take clients elsewhere while it drains.
        port, here = free_port(), {"CRS_STACK": "aws", "CRS_TRUSTED_PROXIES": "", "CRS_DRAIN_S": "0"}
        gateway = clean_environment() | made.gateway_environment() | ALLOWED | here
        api = f"{aws.endpoint}/restapis/{made.outputs['RestAPIId']}/live/_user_request_/api/v1"
        operator = gateway | dict(aws.environment)
        world = World(f"127.0.0.1:{port}", api, operator, aws.environment["AWS_CA_BUNDLE"], aws.chosen, made.refused)
        ports = {"CRS_PORT": str(free_port()), "CRS_INTERNAL_PORT": str(free_port())}
        own = {"CRS_INSTANCE_PORTS": f"{_first_start(world, folder)}={port}"}
        with _gateway(world, gateway | ports | own, folder / "gateway.log"):
            yield world


def require_emulator() -> None:
    if not installed("ministack"):
        lacking("ministack is missing: run .ci/install-emulators")


def _hurry(made: Made) -> None:
    """A message that failed comes again after 20 s, not after six times its function's timeout, as the template has it.
    Less would be too little: on a busy machine a function takes as many seconds to start."""
    sqs = made.aws.client("sqs")
    for name in ("Collection", "Conversions", "Rescans", "Scans", "Tasks", "Transfers", "Webhooks"):
        sqs.set_queue_attributes(QueueUrl=made.physical(f"{name}Queue"), Attributes={"VisibilityTimeout": "20"})


def _first_start(world: World, folder: Path) -> str:
    """Account, instance and namespace, as on one machine. Answers the instance's id."""
    from chalicelib.host.first_start import first_start

    data = {"CRS_DATA": str(folder / "first"), "CRS_ADMIN_PASSWORD": PASSWORD}
    with world.chosen(), open_stack(Settings.from_environment(dict(world.environment) | data)) as stack:
        return first_start(stack).instance.id


@contextmanager
def _gateway(world: World, environment: Mapping[str, str], log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "chalicelib.cli", "gateway"]
    with log.open("wb") as output:
        gateway = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + _START_S
        while not _ready(world.registry):
            assert gateway.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-4000:]
            time.sleep(0.1)
        yield
    finally:
        gateway.terminate()
        gateway.wait(60)


def _ready(host: str) -> bool:
    try:
        return httpx.get(f"http://{host}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
