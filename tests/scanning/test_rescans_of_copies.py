"""Judged again where images lie in several repositories, and in many indexes (S4, X6)."""

from __future__ import annotations

import pytest

from chalicelib.findings.service import Findings
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.scanning import results

from .shelf import DATABASE, PYTHON, Shelf
from .test_rescans import NEW, ZLIB, judge_again


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    opened = Shelf.opened(stack)
    opened.import_database()
    return opened


def test_an_image_that_was_copied_keeps_its_result_where_nobody_scanned_it(shelf: Shelf) -> None:
    """X6: or it could be pulled again once the one that was scanned is deleted."""
    elsewhere = RepositoryName("library/elsewhere")
    digest = shelf.push(ZLIB)
    shelf.scan()
    assert shelf.push(ZLIB, name=elsewhere) == digest
    shelf.stack.table.delete(keys.manifest(shelf.record(digest).repositories[0], digest))
    shelf.import_database(NEW)
    judge_again(shelf.stack)
    assert (shelf.record(digest).critical, len(shelf.record(digest).repositories)) == (1, 2)
    shelf.stack.table.delete(keys.manifest(shelf.library.repository(elsewhere).id, digest))
    shelf.import_database(DATABASE)
    judge_again(shelf.stack)
    assert Findings(shelf.stack).of(shelf.instance.id, digest) is None


def test_of_very_many_indexes_of_an_image_all_follow_it(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """S4: its row names the newest of them only, as a row has its bounds."""
    monkeypatch.setattr(results, "_MOST_PARENTS", 1)
    child = shelf.push(ZLIB, tag="child")
    others = [shelf.push(PYTHON, {"srv/n": str(n)}, tag=f"o{n}", platform="linux/arm64") for n in range(2)]
    digests = []
    for n, other in enumerate(others):
        digests.append(shelf.library.push_index((child, "linux/amd64"), (other, "linux/arm64"), tag=f"multi{n}"))
        shelf.scan(f"multi{n}")
    assert shelf.record(child).parents == (digests[1],)
    database = shelf.import_database(NEW)
    judge_again(shelf.stack)
    assert [(shelf.record(one).critical, shelf.record(one).database) for one in digests] == [(1, database)] * 2
