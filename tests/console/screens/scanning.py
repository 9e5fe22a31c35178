"""Scans, documents that silence, and the search for a vulnerability."""

from __future__ import annotations

from chalicelib.kernel.names import RepositoryName
from tests.background import run_tasks
from tests.console.world import Screen, World
from tests.scanning.shelf import DEBIAN, PYTHON

_DOCUMENTS = "/instances/ci/scans/documents"


def document(vulnerability: str, number: int) -> dict[str, object]:
    about = [{"@id": "pkg:oci/backend?repository_url=harbour/backend"}]
    said = {"vulnerability": {"name": vulnerability}, "products": about, "status": "not_affected"}
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": f"https://example.com/vex/2026-{number}",
        "author": "security@example.com",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": [{**said, "justification": "vulnerable_code_not_in_execute_path"}],
    }


def furnish(world: World) -> None:
    api = world.api
    assert api.post("/instances/ci/namespaces", {"name": "harbour", "auto_create_repository": True}).status == 201
    world.shelf.import_database()
    backend, frontend = RepositoryName("harbour/backend"), RepositoryName("harbour/frontend")
    world.shelf.push(DEBIAN, PYTHON, tag="2.1", name=backend)
    world.shelf.push(DEBIAN, {"srv/app": "2.2"}, tag="2.2", name=backend)
    world.shelf.push(PYTHON, {"srv/app": "web"}, tag="stable", name=frontend)
    for number, vulnerability in enumerate(("CVE-2024-0002", "CVE-2024-0003"), 1):
        body = {"document": document(vulnerability, number), "expires_at": "2031-01-01T00:00:00Z"}
        made = api.post("/instances/ci/vex-documents", body)
        world.known["document"] = made.json()["id"]
    assert api.post("/instances/ci/namespaces/harbour/scan").status == 202
    run_tasks(world.stack)


SCREENS = (
    Screen("/instances/{instance}/scans", "scans", lambda _: "/instances/ci/scans"),
    Screen("/instances/{instance}/scans/documents", "scans-documents", lambda _: _DOCUMENTS),
    Screen("/instances/{instance}/scans/documents/new", "scans-document-new", lambda _: f"{_DOCUMENTS}/new"),
    Screen(
        "/instances/{instance}/scans/documents/{document}",
        "scans-document",
        lambda world: f"{_DOCUMENTS}/{world.known['document']}",
    ),
    Screen(
        "/instances/{instance}/scans/documents/{document}/delete",
        "scans-document-delete",
        lambda world: f"{_DOCUMENTS}/{world.known['document']}/delete",
    ),
    Screen(
        "/instances/{instance}/vulnerabilities",
        "vulnerabilities",
        lambda _: "/instances/ci/vulnerabilities?search=CVE-2024",
    ),
)
