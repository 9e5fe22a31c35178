"""Scans from end to end: images of layers, a database, and what comes of both (S1–S3)."""

from __future__ import annotations

import pytest

from chalicelib.ports.stack import Stack

from .shelf import DEBIAN, PYTHON, Shelf


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    opened = Shelf.opened(stack)
    opened.import_database()
    return opened


def test_scan_finds_what_the_database_knows_of_system_and_languages(shelf: Shelf) -> None:
    """S1, S3: id, package, place, versions, severity, score, title and link of each finding."""
    digest = shelf.push(DEBIAN, PYTHON)
    task = shelf.scan()
    assert (task.state, task.error) == ("succeeded", "")
    record = shelf.record(digest)
    assert (record.state, record.critical, record.high, record.medium, record.fixable) == ("succeeded", 1, 1, 1, 2)
    found = {one["id"]: one for one in shelf.findings(digest)}
    assert set(found) == {"CVE-2024-0001", "CVE-2024-0002", "CVE-2024-0003"}
