"""X1, X3: what is deleted is proved whole like what is live, and what nobody could find again is reported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.kernel.names import RepositoryName
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Key, Update
from chalicelib.registry.models import BinEntry
from chalicelib.registry.namespace_retirement import NamespaceRetirement
from chalicelib.registry.repository_retirement import RepositoryRetirement
from chalicelib.registry.service import Registry
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories
from tests.background import run_tasks
from tests.registry.images import NAME, owner_of, push_image
from tests.stacks import FrozenClock, embedded_stack, make_instance, make_namespace


class Deleted:
    """Repository `library/app` in the bin."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.instance = make_instance(stack)
        make_namespace(stack, self.instance)
        push_image(Registry(stack), owner_of(self.instance), b"layer")
        push_image(Registry(stack), owner_of(self.instance), b"layer", name=RepositoryName("library/other"))
        self.repository: Repository = Repositories(stack).get(self.instance.id, NAME, fresh=True)
        RepositoryRetirement(stack).delete(self.instance, self.repository, "ann")

    def entry(self) -> BinEntry:
        (row,) = self.stack.table.query(keys.bin_partition(self.instance.id)).items
        return BinEntry.model_validate(row)

    def rows(self, prefix: str) -> list[Key]:
        found = self.stack.table.query(keys.repository_partition(self.repository.id), prefix=prefix).items
        return [Key(row["pk"], row["sk"]) for row in found]

    def findings(self) -> list[tuple[str, str]]:
        return [(finding.kind, finding.message) for finding in Fsck(self.stack).run()]


@pytest.fixture
def deleted(tmp_path: Path) -> Iterator[Deleted]:
    with embedded_stack(tmp_path, FrozenClock()) as stack:
        yield Deleted(stack)


def test_a_deleted_repository_is_whole(deleted: Deleted) -> None:
    assert deleted.findings() == []


def test_content_that_a_deleted_repository_lost_is_reported(deleted: Deleted) -> None:
    for key in deleted.rows("MANIFEST#"):
        deleted.stack.table.delete(key)
    assert "lost" in {kind for kind, _ in deleted.findings()}


def test_a_deleted_repository_whose_entry_is_lost_is_reported(deleted: Deleted) -> None:
    deleted.stack.table.delete(keys.bin_entry(deleted.instance.id, deleted.entry().id))
    assert deleted.findings() == [("leak", "its repository is deleted, and no bin entry knows of it")]


def test_a_purge_that_nobody_goes_on_with_is_reported(deleted: Deleted) -> None:
    RepositoryRetirement(deleted.stack).expire(deleted.entry())
    assert deleted.findings() == []
    deleted.stack.table.update(Update(keys.repository_by_id(deleted.repository.id), remove=("i1pk", "i1sk")))
    assert deleted.findings() == [("leak", "its repository is being purged, and no sweeper will look at it")]


def test_content_without_a_repository_is_reported(deleted: Deleted) -> None:
    deleted.stack.table.delete(keys.bin_entry(deleted.instance.id, deleted.entry().id))
    deleted.stack.table.delete(keys.repository_by_id(deleted.repository.id))
    assert deleted.findings() == [("leak", "its repository is gone, and nothing will clear what is left under its id")]


def test_a_namespace_whose_deletion_stopped_is_reported(deleted: Deleted) -> None:
    """N2"""
    namespace = Namespaces(deleted.stack).get(deleted.instance.id, "library", fresh=True)
    task = NamespaceRetirement(deleted.stack).delete(deleted.instance, namespace, "ann", repositories=1, size=0)
    assert deleted.findings() == []
    deleted.stack.table.update(Update(keys.task(deleted.instance.id, task.id), set={"state": "failed"}))
    assert deleted.findings() == [("leak", "is being deleted, and no task goes on with it; retry the task")]
    deleted.stack.table.update(Update(keys.task(deleted.instance.id, task.id), set={"state": "queued"}))
    run_tasks(deleted.stack)
    assert deleted.findings() == []
