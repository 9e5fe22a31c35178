"""kill -9 of the whole service while it converts: the image is accelerated all the same, and nothing is left over."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from chalicelib.acceleration.models import SOURCE
from chalicelib.instances.service import Instances
from chalicelib.kernel import media
from chalicelib.kernel.settings import Settings
from chalicelib.ports import acceleration_keys
from chalicelib.ports.stack import Stack, open_stack
from tests.packages.rebuild import tar
from tests.registry.images import descriptor
from tests.serving import PASSWORD, PROJECT, Service, free_port

KILLS = 2
# A claim has to run out, and the sweep to find the task that waits.
HEALED_S = 300.0
SWEEPING = {"CRS_SWEEP_INTERVAL_S": "1"}
# Longer than a claim, a message and a task's patience after one another.
AWAY_S = 600
# Python looks for a module of this name before it begins with anything else.
CUSTOM = """
import datetime, os
from chalicelib.kernel.moment import SystemClock

def now(self):
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=int(os.environ["TESTS_AHEAD_S"]))

SystemClock.now = now
"""


class Client:
    """Pushes to a repository, and looks at it."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = httpx.request(method, f"{self._service.url}{path}", auth=self._service.login, timeout=60, **more)
        assert answer.status_code < 300, answer.text
        return answer

    def push(self, layer: bytes, tag: str) -> str:
        config = json.dumps({"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {}}).encode()
        for data in (config, layer):
            begun = self._send("POST", "/v2/library/app/blobs/uploads/").headers["location"]
            place, digest = begun.removeprefix(self._service.url), f"sha256:{hashlib.sha256(data).hexdigest()}"
            self._send("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", content=data)
        document = {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "config": descriptor(config, media.OCI_CONFIG),
            "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip")],
        }
        body = json.dumps(document).encode()
        headers = {"content-type": media.OCI_MANIFEST}
        self._send("PUT", f"/v2/library/app/manifests/{tag}", content=body, headers=headers)
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def accelerated(self, tag: str) -> dict[str, Any] | None:
        path = f"{self._service.url}/v2/library/app/manifests/{tag}-accelerated"
        answer = httpx.get(path, auth=self._service.login, headers={"accept": media.OCI_MANIFEST})
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found

    def switch_on(self) -> None:
        login = {"username": self._service.username, "password": PASSWORD}
        token = httpx.post(f"{self._service.url}/api/v1/session", json=login).json()["token"]
        answer = httpx.patch(
            f"{self._service.url}/api/v1/instances/default/namespaces/library",
            json={"acceleration": True},
            headers={"authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200, answer.text


def eventually(seen: Callable[[], bool], what: str, within_s: float) -> None:
    until = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < until, f"{what} did not come within {within_s:g} s"
        time.sleep(0.05)


def ahead(folder: Path, seconds: int) -> dict[str, str]:
    """Settings of a service whose clock, in all its processes, is ahead by so much."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(CUSTOM)
    return {**SWEEPING, "PYTHONPATH": f"{folder}{os.pathsep}{PROJECT}", "TESTS_AHEAD_S": str(seconds)}


def states(stack: Stack) -> list[str]:
    (instance,) = Instances(stack).every()
    partition = acceleration_keys.conversions_partition(instance.id)
    return [row["state"] for row in stack.table.query(partition, prefix="LAYER#").items]


@pytest.mark.parametrize(
    "away_s", [pytest.param(AWAY_S, marks=pytest.mark.campaign), pytest.param(0, marks=pytest.mark.exhaustive)]
)
def test_killed_while_it_converts_the_image_is_accelerated_all_the_same(tmp_path: Path, away_s: int) -> None:
    """A1, A2: in campaigns the service comes back, by its clock, after ten minutes; in the exhaustive one at once, and
    has to wait for what was claimed."""
    chance = random.Random(7)
    files = {f"usr/lib/file-{number}": chance.randbytes(60_000) * 4 for number in range(400)}
    service = Service(tmp_path / "data", free_port(), environment=SWEEPING)
    service.start()
    client = Client(service)
    try:
        client.switch_on()
        for number in range(KILLS):
            layer = gzip.compress(tar({**files, "number": str(number)}), 1, mtime=0)
            digest = client.push(layer, f"v{number}")
            with open_stack(Settings.model_validate({"data": service.data})) as stack:
                eventually(lambda stack=stack: "running" in states(stack), "a conversion", 60)  # type: ignore[misc]
            time.sleep(chance.random())
            service.kill()
            assert service.run_cli("fsck", "--deep").strip() == "clean"
            service.environment = ahead(tmp_path / "ahead", away_s * (number + 1))
            service.start()
            tag = f"v{number}"
            eventually(lambda tag=tag: client.accelerated(tag) is not None, "the image", HEALED_S)  # type: ignore[misc]
            made = client.accelerated(tag)
            assert made is not None
            assert made["annotations"][SOURCE] == digest
        assert service.run_cli("fsck", "--deep").strip() == "clean"
    finally:
        service.kill()
