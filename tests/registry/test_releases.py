"""X3: two sweepers let go of one blob, and one of them dies over it: the other leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chalicelib.collection.service import Fsck
from chalicelib.kernel.names import Digest
from chalicelib.ports import keys
from chalicelib.ports.table import Key, Table, Update
from chalicelib.registry.blobs import Blobs
from tests.stacks import FrozenClock, embedded_stack, with_table

from .images import push_blob
from .library import Library

LAYER = b"layer" * 100


class WithRival:
    """A table where somebody else condemns each row anew, just before it would go, and is never seen again."""

    def __init__(self, table: Table, rows: list[Key]) -> None:
        self._table = table
        self._rows = rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def delete(self, key: Key, **more: Any) -> None:
        self._condemn(key)
        self._table.delete(key, **more)

    def transact(self, writes: Any, **more: Any) -> None:
        for write in writes:
            if isinstance(write, Update):
                self._condemn(write.key)
        self._table.transact(writes, **more)

    def _condemn(self, key: Key) -> None:
        if key in self._rows:
            self._rows.remove(key)
            self._table.update(Update(key, set={"state": "C", "token": "the rival's"}))


def test_what_a_dead_sweeper_condemned_goes_all_the_same(tmp_path: Path) -> None:
    """X3"""
    with embedded_stack(tmp_path, FrozenClock(), tombstone_s=0) as stack:
        library = Library.opened(stack)
        digest = push_blob(library.registry, library.owner, LAYER)
        instance, repository = library.instance.id, library.repository().id
        partition = keys.blob_partition(instance, digest)
        (edge,) = stack.table.query(partition, prefix=keys.edge_prefix(repository)).items
        stack.table.delete(Key(edge["pk"], edge["sk"]))
        rows = [keys.link(repository, digest), keys.head(instance, digest)]
        Blobs(with_table(stack, WithRival(stack.table, rows))).release(
            instance, repository, Digest.of(LAYER), stack.clock.now()
        )
        assert rows == []
        assert stack.table.get(keys.link(repository, digest)) is None
        head = stack.table.get(keys.head(instance, digest))
        assert head is not None and head["state"] == "D"
        assert [found for found in Fsck(stack).run() if found.kind == "lost"] == []
