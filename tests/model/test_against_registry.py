"""Schedules that the searches found dangerous, driven through the registry itself (X1, N2)."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.kernel.errors import Refused
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.recycling.service import RecycleBin
from chalicelib.registry.bin_entries import Deletion
from chalicelib.registry.models import BinEntry
from chalicelib.registry.namespace_restoration import NamespaceRestoration
from chalicelib.registry.restoration import Restoration
from chalicelib.registry.retirement import Retirement
from tests.background import run_background, run_tasks
from tests.faults.ports import Fault, faulty
from tests.faults.turns import Worker
from tests.recycling.bin import entries
from tests.registry.images import NAME
from tests.registry.library import Library
from tests.stacks import FrozenClock, embedded_stack

OTHER = RepositoryName("library/other")


@pytest.fixture
def stack() -> Iterator[Stack]:
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        embedded_stack(Path(folder), FrozenClock()) as opened,
    ):
        yield opened


def _being_deleted(library: Library) -> BinEntry:
    """A namespace of two repositories was just asked to be deleted: its entry as it is by then."""
    for name in (RepositoryName("library/app"), OTHER):
        library.push("v1", name=name)
    assert library.api().delete("/instances/ci/namespaces/library", confirm="library").status == 202
    (entry,) = entries(library.stack, library.instance)
    assert not entry.whole
    return entry


def _restore_while_it_ends(library: Library, entry: BinEntry, call: int) -> Worker:
    """Asks for the restoration; before its call of this number the deletion comes to its end."""
    worker = Worker()

    def end_deletion() -> None:
        run_tasks(library.stack)

    worker.plan[call] = Fault(before=end_deletion)
    restoration = NamespaceRestoration(faulty(library.stack, worker))
    with contextlib.suppress(Refused):
        restoration.restore(library.instance, entry, "ann")
    return worker


@pytest.mark.parametrize("call", range(1, 6))
def test_a_namespace_that_becomes_whole_while_it_is_asked_back_is_counted_right(stack: Stack, call: int) -> None:
    """namespaces, `counts_when_whole`: parts that came after they were counted have no place in the quota."""
    library = Library.opened(stack)
    entry = _being_deleted(library)
    _restore_while_it_ends(library, entry, call)
    run_background(stack)
    assert list(Fsck(stack).run()) == []


def test_an_entry_that_is_restored_between_two_pages_of_a_deletion_is_not_put_back(stack: Stack) -> None:
    """A manifest with more tags than a transaction takes: what came back before its last page stays where it is told.

    Before each call of the deletion in turn, whatever entry there is by then is restored.
    """
    library = Library.opened(stack)
    for call in range(1, 60):
        for first in range(0, 45, 15):
            digest = library.push(*(f"v{number}" for number in range(first, first + 15)))
        worker = Worker()

        def restore_all() -> None:
            for entry in entries(stack, library.instance):
                Restoration(stack).restore(library.instance, entry, "ann")

        worker.plan[call] = Fault(before=restore_all)
        deletion = Deletion(library.instance, library.repository(), "bob")
        Retirement(faulty(stack, worker)).delete_manifest(deletion, digest, sparse=False)
        assert list(Fsck(stack).run()) == [], call
        restore_all()
        assert list(Fsck(stack).run()) == [], call
        assert len(library.registry.tags(library.owner, NAME).items) == 45
        if len(worker.calls) < call:
            return
    raise AssertionError("it goes round in circles")


def test_the_id_of_a_purged_repository_outlasts_pushes_that_set_out_before(tmp_path: Path) -> None:
    """departures, `last_look_waits`: also where uploads are kept for a shorter time than pushes."""
    clock = FrozenClock()
    with embedded_stack(tmp_path, clock, upload_ttl_s=60, intent_ttl_s=1800) as stack:
        library = Library.opened(stack)
        library.push("v1")
        repository = library.repository()
        assert library.api().delete(library.path(), confirm=repository.name).status == 204
        (entry,) = entries(stack, library.instance)
        RecycleBin(stack, library.instance).free(entry)
        for wait_s in (61, 61, 1700):
            run_background(stack)
            clock.advance(wait_s)
        run_background(stack)
        assert stack.table.get(keys.repository_by_id(repository.id)) is not None
        for _ in range(3):
            clock.advance(1900)
            run_background(stack)
        assert stack.table.get(keys.repository_by_id(repository.id)) is None
