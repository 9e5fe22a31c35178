"""Real clients find the bills of materials that the service attached to an image, and Trivy reads them (S4)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.advisories.layouts import write_layout
from tests.advisories.rows import packed, write
from tests.clients.conftest import Shell
from tests.packages.rebuild import tar
from tests.scanning.shelf import DATABASE, DEBIAN, PYTHON
from tests.serving import Service, serving

pytestmark = pytest.mark.clients
PLAIN = "--plain-http"
TYPES = {"application/vnd.cyclonedx+json", "application/spdx+json"}
WAIT_S = 60.0


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("vulndb"), packed(DATABASE))


@pytest.fixture(scope="module")
def service(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("sbom") / "data", CRS_VULNDB=str(database)) as running:
        yield running


@pytest.fixture(scope="module")
def api(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{service.url}/api/v1", timeout=60, trust_env=False) as client:
        signed_in = client.post("/session", json={"username": service.username, "password": service.password})
        client.headers["Authorization"] = f"Bearer {signed_in.json()['token']}"
        yield client


def log_in(shell: Shell, service: Service) -> None:
    shell.run("oras", "login", PLAIN, "-u", service.username, "--password-stdin", service.host, stdin=service.password)


def ended(api: httpx.Client, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_S
    while (task := api.get(path).json())["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, task
        time.sleep(0.1)
    return dict(task)


def test_clients_discover_and_pull_the_bill_that_a_scan_attached(
    shell: Shell, service: Service, api: httpx.Client, tmp_path: Path
) -> None:
    layout = write_layout(tmp_path / "image", [tar(DEBIAN), tar(PYTHON)])
    digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    name = f"{service.host}/library/app"
    log_in(shell, service)
    shell.run("oras", "cp", "--from-oci-layout", "--to-plain-http", f"{layout}@{digest}", f"{name}:v1")
    begun = api.post("/instances/default/namespaces/library/repositories/app/tags/v1/scan")
    assert begun.status_code == 202, begun.text
    assert ended(api, begun.headers["Location"].removeprefix("/api/v1"))["state"] == "succeeded"

    discovered = json.loads(shell.run("oras", "discover", PLAIN, "--format", "json", f"{name}:v1"))
    referrers = {one["artifactType"]: one for one in discovered.get("referrers", discovered.get("manifests"))}
    assert set(referrers) == TYPES
    for kind, form in (("application/vnd.cyclonedx+json", "cdx"), ("application/spdx+json", "spdx")):
        artifact = f"{name}@{referrers[kind]['digest']}"
        shell.run("oras", "pull", PLAIN, "--output", shell.home / "out", artifact)
        pulled = shell.home / "out" / f"app.{form}.json"
        asked = {"format": "cyclonedx" if form == "cdx" else "spdx"}
        path = f"/instances/default/namespaces/library/repositories/app/manifests/{digest}/sbom"
        assert pulled.read_text() == api.get(path, params=asked).text
        manifest = json.loads(shell.run("crane", "manifest", "--insecure", artifact))
        assert manifest["subject"]["digest"] == digest
        (layer,) = manifest["layers"]
        blob = shell.run("crane", "blob", "--insecure", f"{name}@{layer['digest']}")
        assert blob == pulled.read_text()


def test_copies_of_the_image_take_the_bill_along(shell: Shell, service: Service) -> None:
    log_in(shell, service)
    source, target = (f"{service.host}/library/{name}:v1" for name in ("app", "copied"))
    shell.run("oras", "cp", "-r", "--from-plain-http", "--to-plain-http", source, target)
    discovered = json.loads(shell.run("oras", "discover", PLAIN, "--format", "json", target))
    assert {one["artifactType"] for one in discovered.get("referrers", discovered.get("manifests"))} == TYPES
