"""Results of scans that meet: rows say what is so, whoever was faster."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.ports.stack import Stack
from chalicelib.scanning.reports import Reports
from chalicelib.scanning.results import Results

from .shelf import DATABASE, DEBIAN, PYTHON, Shelf


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    opened = Shelf.opened(stack)
    opened.import_database()
    return opened


def test_an_index_that_is_joined_twice_at_once_says_what_its_images_say_last(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = shelf.push(DEBIAN, tag="child")
    index = shelf.library.push_index((child, "linux/amd64"), tag="v1")
    shelf.scan()
    shelf.import_database({**DATABASE, "debian 12": {"zlib1g": {"CVE-2024-0009": {"Severity": 4}}}})
    slow, joined = Results(shelf.stack), Results._joined
    quicker = [True]

    def joining(self: Results, *about: Any) -> Any:
        told = joined(self, *about)
        if self is slow and quicker.pop():
            quicker.append(False)
            shelf.scan("child")
        return told

    monkeypatch.setattr(Results, "_joined", joining)
    slow.join(shelf.instance, index, [child])
    assert (shelf.record(index).critical, shelf.record(index).medium) == (1, 0)


def test_a_row_never_names_a_report_that_is_gone(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two judge the same image at once: the report of whoever is later counts, and only the other's goes."""
    digest = shelf.push(DEBIAN, PYTHON)
    shelf.scan()
    reports = Reports(shelf.stack)
    report = reports.read(shelf.instance, shelf.record(digest))
    write, other = Reports.write, [True]

    def writing(self: Reports, *about: Any) -> str:
        key = write(self, *about)
        if other:
            other.clear()
            Results(shelf.stack).store(shelf.instance, report)
        return key

    monkeypatch.setattr(Reports, "write", writing)
    Results(shelf.stack).store(shelf.instance, report)
    kept = shelf.stack.objects(shelf.instance.bucket).list(f"{shelf.instance.id}/reports/").items
    assert [found.key for found in kept] == [shelf.record(digest).report]
    assert reports.read(shelf.instance, shelf.record(digest)) == report
