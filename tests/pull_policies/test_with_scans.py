"""X6, S1, S4: policies, scans, databases and documents together, as users meet them."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import send
from chalicelib.kernel.errors import PullBlocked
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.ports.stack import Stack
from chalicelib.scanning import rescans
from tests.background import run_background
from tests.findings.test_vex import vex
from tests.registry.images import NAME
from tests.scanning.shelf import DATABASE, DEBIAN, PYTHON, Shelf, dpkg
from tests.stacks import FrozenClock

from .gated import set_policy

HOLE, LEAK = "CVE-2024-0001", "CVE-2024-0003"
GUARDED: dict[str, Any] = {"severity": "high", "unscanned": "block"}


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    """`library/app:v1` has a critical finding of its system and a high one of its libraries."""
    opened = Shelf.opened(stack)
    opened.import_database()
    return opened


def blocked(shelf: Shelf, reference: TagName | Digest | None = None, name: RepositoryName = NAME) -> dict[str, Any]:
    """What a pull is told, {} where it is let go."""
    try:
        shelf.library.registry.pull(shelf.library.owner, name, reference or TagName("v1"))
    except PullBlocked as refused:
        return refused.detail
    return {}


def silence(shelf: Shelf, known: str, digest: str, expires_at: str | None = None) -> str:
    said = {
        "vulnerability": {"name": known},
        "products": [{"@id": f"pkg:oci/app@{digest}"}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
    }
    document = vex(said).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    made = shelf.api.post("/instances/ci/vex-documents", {"document": document, "expires_at": expires_at})
    assert made.status == 201, made.text
    run_background(shelf.stack)
    return str(made.json()["id"])


def test_a_pushed_image_is_blocked_until_it_is_scanned_and_then_by_what_it_has(shelf: Shelf) -> None:
    """X6, S1: and a fixed one under the same tag is let go."""
    set_policy(shelf.stack, "ci", **GUARDED)
    shelf.push(DEBIAN, PYTHON)
    assert (blocked(shelf)["cause"], blocked(shelf)["scan"]) == ("unscanned", "none")
    shelf.scan()
    assert (blocked(shelf)["cause"], blocked(shelf)["findings"]) == ("findings", [HOLE, LEAK])
    shelf.push({**DEBIAN, "var/lib/dpkg/status": dpkg(openssl="3.0.13-1")})
    assert blocked(shelf)["cause"] == "unscanned"
    shelf.scan()
    assert blocked(shelf) == {}


def test_an_image_that_is_scanned_once_more_stays_blocked_meanwhile(shelf: Shelf) -> None:
    """X6: asking for a scan is no way out."""
    shelf.push(DEBIAN, PYTHON)
    shelf.scan()
    set_policy(shelf.stack, "ci")
    shelf.import_database({**DATABASE, "debian 12": {"openssl": {HOLE: {"FixedVersion": "3.0.13-1", "Severity": 3}}}})
    shelf.begin()
    assert blocked(shelf)["findings"]


def test_an_index_is_blocked_for_one_of_its_platforms(shelf: Shelf) -> None:
    """X6: judged by the scan of the index, and its images by theirs."""
    bad = shelf.push(DEBIAN, PYTHON, tag="")
    good = shelf.push({**DEBIAN, "var/lib/dpkg/status": dpkg(openssl="3.0.13-1")}, tag="", platform="linux/arm64")
    whole = shelf.library.push_index((good, "linux/arm64"), (bad, "linux/amd64"), tag="v1")
    set_policy(shelf.stack, "ci", **GUARDED)
    assert blocked(shelf, whole)["cause"] == "unscanned"
    shelf.scan()
    assert blocked(shelf)["findings"] == blocked(shelf, whole)["findings"] == [HOLE, LEAK]
    assert blocked(shelf, whole)["digest"] == whole
    assert (bool(blocked(shelf, bad)), blocked(shelf, good)) == (True, {})


def test_documents_lift_what_they_silence_until_they_expire(shelf: Shelf, clock: FrozenClock) -> None:
    """S1, X6: to the moment, and what lists show follows."""
    digest = shelf.push(DEBIAN, PYTHON)
    shelf.scan()
    set_policy(shelf.stack, "ci")
    silence(shelf, HOLE, digest)
    assert blocked(shelf)["findings"] == [LEAK]
    silence(shelf, LEAK, digest, "2026-01-31T09:00:00Z")
    assert blocked(shelf) == {}
    record = shelf.record(digest)
    assert (record.critical, record.high, record.silenced) == (0, 0, 2)
    clock.advance(3600)
    assert blocked(shelf)["findings"] == [LEAK]


def test_a_document_that_is_deleted_lifts_nothing_any_more(shelf: Shelf) -> None:
    """S1, X6"""
    digest = shelf.push(DEBIAN)
    shelf.scan()
    set_policy(shelf.stack, "ci")
    document = silence(shelf, HOLE, digest)
    assert blocked(shelf) == {}
    assert shelf.api.delete(f"/instances/ci/vex-documents/{document}").status == 204
    run_background(shelf.stack)
    assert blocked(shelf)["findings"] == [HOLE]


def test_a_new_database_blocks_what_it_knows_more_of(shelf: Shelf) -> None:
    """S4, X6: without a scan, once the image was judged again."""
    shelf.push({**DEBIAN, "var/lib/dpkg/status": dpkg(zlib1g="1.2.13")})
    shelf.scan()
    set_policy(shelf.stack, "ci", **GUARDED)
    assert blocked(shelf) == {}
    more = {**DATABASE["debian 12"], "zlib1g": {"CVE-2025-9": {"FixedVersion": "9", "Severity": 4}}}
    shelf.import_database({**DATABASE, "debian 12": more})
    send(shelf.stack, rescans.missing(shelf.stack), CHAIN)
    run_background(shelf.stack)
    assert blocked(shelf)["findings"] == ["CVE-2025-9"]
