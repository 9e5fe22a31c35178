"""S1 in the console: scans, documents that silence, and the versions that have a vulnerability."""

from __future__ import annotations

import json

from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.background import run_tasks
from tests.console.browsing import Browser
from tests.console.screens.scanning import document
from tests.scanning.shelf import DEBIAN, Shelf

SCANS = "/instances/ci/scans"


def test_a_namespace_is_scanned_and_its_versions_are_found_by_what_they_have(stack: Stack) -> None:
    """S1, C1"""
    shelf = Shelf.opened(stack)
    shelf.import_database()
    shelf.push(DEBIAN)
    browser = Browser.signed_in(stack)
    begun = browser.post(SCANS, namespace="library")
    assert ("All of library is being scanned" in begun.words, "queued" in begun.words) == (True, True)
    assert 'hx-trigger="every' in browser.part(SCANS, "list").html
    run_tasks(stack)
    assert 'hx-trigger="every' not in browser.part(SCANS, "list").html
    found = browser.get("/instances/ci/vulnerabilities?search=CVE-2024-0001")
    assert ("library/app:v1" in found.words, "openssl 3.0.11-1" in found.words) == (True, True)
    assert "CVE-2024-0002" not in found.words
    assert "No scanned image has it" in browser.get("/instances/ci/vulnerabilities?search=CVE-1999").words


def test_a_document_is_added_shown_and_deleted_and_its_text_is_inert(stack: Stack) -> None:
    """S1, C1"""
    Shelf.opened(stack)
    browser = Browser.signed_in(stack, Role.DEVELOPER)
    said = {**document("CVE-2024-0001", 1), "author": "<script>\u202eann</script>{{7*7}}"}
    shown = browser.post(f"{SCANS}/documents/new", document=json.dumps(said), expires_at="2031-01-01T00:00")
    assert shown.status == 200
    assert ("CVE-2024-0001" in shown.words, "not affected" in shown.words) == (True, True)
    assert ("<script>\u202e" in shown.html, "\u202e" in shown.html) == (False, False)
    assert "&lt;script&gt;\\u202eann&lt;/script&gt;{{7*7}}" in shown.html
    gone = browser.post(f"{shown.path}/delete")
    assert (gone.path, "Every finding counts" in gone.words) == (f"{SCANS}/documents", True)


def test_what_is_no_document_stands_beside_its_field_with_what_was_typed(stack: Stack) -> None:
    """S1, C1"""
    Shelf.opened(stack)
    browser = Browser.signed_in(stack)
    seen = browser.post(f"{SCANS}/documents/new", document="{no json", expires_at="")
    assert (seen.status, "is no JSON" in seen.words) == (400, True)
    assert ">{no json</textarea>" in seen.html
    assert browser.post(f"{SCANS}/documents/new", document='{"author": 1}', expires_at="").status == 400


def test_a_reader_sees_the_database_and_is_offered_nothing_to_change(stack: Stack) -> None:
    """S1, G5, C1"""
    Shelf.opened(stack)
    reader = Browser.signed_in(stack, Role.READER)
    seen = reader.get(SCANS)
    assert ("There is none yet" in seen.words, "Scan now" in seen.words) == (True, False)
    assert reader.post(SCANS, namespace="library").status == 403
    assert "Add a document" not in reader.get(f"{SCANS}/documents").words
