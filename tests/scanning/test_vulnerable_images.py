"""S1: which images of an instance have a vulnerability, and which tags lead to them."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from chalicelib.findings import store
from chalicelib.findings.models import Found, ScanDetail, ScanRecord
from chalicelib.findings.service import Findings
from chalicelib.kernel.roles import Role
from chalicelib.ports import scan_keys
from chalicelib.ports.stack import Stack
from chalicelib.scanning import rescans
from tests.background import run_background, run_tasks
from tests.findings.test_vex import vex
from tests.registry.library import DAY, OTHER
from tests.stacks import FrozenClock

from .shelf import DATABASE, DEBIAN, PYTHON, Shelf

PATH = "/instances/ci/vulnerabilities"


def images(shelf: Shelf, search: str = "", **query: object) -> list[dict[str, Any]]:
    answer = shelf.library.api(Role.READER).get(PATH, search=search, **query)
    assert answer.status == 200, answer.text
    return list(answer.json()["items"])


def tags(shelf: Shelf, search: str, **query: object) -> set[str]:
    """Names with their tags, of all images that are found."""
    found = [where for image in images(shelf, search, **query) for where in image["repositories"]]
    return {f"{where['repository']}:{tag}" for where in found for tag in where["tags"]}


def test_tags_are_found_by_id_its_beginning_and_package_through_indexes_too(stack: Stack) -> None:
    """S1, C1"""
    shelf = Shelf.opened(stack)
    shelf.import_database()
    amd = shelf.push(DEBIAN, tag="")
    shelf.library.push_index((amd, "linux/amd64"), tag="many")
    shelf.push(PYTHON, tag="v1", name=OTHER)
    shelf.scan("many")
    shelf.scan("v1", OTHER)
    assert tags(shelf, "CVE-2024-0001") == {"library/app:many"}
    assert tags(shelf, "cve-2024-") == {"library/app:many", "library/other:v1"}
    assert tags(shelf, "Jinja") == {"library/other:v1"}
    assert tags(shelf, "2024-0001") == tags(shelf, 'x"') == set()
    assert tags(shelf, "CVE", severity="high") == {"library/other:v1"}
    (one,) = images(shelf, "openssl", fixable=True)
    assert (one["digest"], one["count"]) == (amd, 1)
    told = {name: one["findings"][0][name] for name in ("id", "severity", "installed", "fixed", "silenced")}
    assert told == {
        "id": "CVE-2024-0001",
        "severity": "critical",
        "installed": "3.0.11-1",
        "fixed": "3.0.13-1",
        "silenced": False,
    }


def test_a_rescan_replaces_what_was_found_and_a_deleted_image_is_not_found(stack: Stack, clock: FrozenClock) -> None:
    """S1, X1"""
    shelf = Shelf.opened(stack)
    shelf.import_database()
    digest = shelf.push(DEBIAN)
    shelf.scan()
    shelf.import_database({**DATABASE, "debian 12": {"zlib1g": {"CVE-2024-0009": {"Severity": 4}}}})
    for message in rescans.missing(stack):
        rescans.rescan(stack, message)
    assert tags(shelf, "CVE-2024-0001") == set()
    assert tags(shelf, "CVE-2024-0009") == {"library/app:v1"}
    assert shelf.api.delete(shelf.library.path("/tags/v1")).status == 200
    assert tags(shelf, "CVE-2024-0009") == set()
    for days in (8, 8, 2):
        clock.advance(days * DAY)
        run_background(stack)
    assert images(shelf) == []
    shelf.import_database()
    for message in rescans.missing(stack):
        rescans.rescan(stack, message)
    assert stack.table.get(scan_keys.scan_found(shelf.instance.id, digest)) is None


def test_a_silenced_finding_is_listed_as_such(stack: Stack) -> None:
    """S1, X6"""
    shelf = Shelf.opened(stack)
    shelf.import_database()
    digest = shelf.push(DEBIAN)
    about = {"@id": f"pkg:oci/app@{digest}".replace("sha256:", "sha256%3A")}
    said = {"vulnerability": {"name": "CVE-2024-0001"}, "products": [about], "status": "not_affected"}
    document = vex({**said, "justification": "vulnerable_code_not_present"})
    body = {"document": document.model_dump(mode="json", by_alias=True, exclude_defaults=True)}
    assert shelf.api.post("/instances/ci/vex-documents", body).status == 201
    shelf.scan()
    run_tasks(stack)
    assert images(shelf, "CVE-2024-0001")[0]["findings"][0]["silenced"]
    assert tags(shelf, "CVE-2024-0001", silenced=False) == set()
    assert tags(shelf, "CVE-2024-0002", silenced=False) == {"library/app:v1"}


def test_pages_go_on_where_the_one_before_ended(stack: Stack) -> None:
    """S1, C1"""
    shelf = Shelf.opened(stack)
    shelf.import_database()
    for number in range(3):
        shelf.push(DEBIAN, {"etc/number": str(number)}, tag=f"v{number}")
    shelf.scan_namespace()
    seen, cursor = list[str](), None
    for _ in range(3):
        page = shelf.api.get(PATH, search="openssl", limit=1, **({"cursor": cursor} if cursor else {})).json()
        seen += [one["digest"] for one in page["items"]]
        cursor = page["next"]
    assert (len(set(seen)), cursor) == (3, None)
    assert shelf.api.get(PATH, cursor="elsewhere").json()["errors"][0]["field"] == "cursor"


def test_a_row_never_outgrows_the_table_and_keeps_the_gravest(stack: Stack) -> None:
    """S1: of an image with more findings than fit."""
    many = tuple(
        Found(f"CVE-2024-{number}", (), blake2b(str(number).encode()).hexdigest(), "debian", "1", "", "low", None)
        for number in range(8_000)
    )
    Findings(stack).change("i", "sha256:1", lambda record: record, ScanDetail(ids={}, found=many))
    item = stack.table.get(scan_keys.scan_found("i", "sha256:1"))
    assert item is not None
    kept = store.found(store.found_text(item))
    assert 0 < len(kept) < len(many)
    assert kept == list(many[: len(kept)])
    assert Findings(stack).of("i", "sha256:1") == ScanRecord(instance_id="i", digest="sha256:1", version=1)
