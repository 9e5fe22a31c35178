"""The hold that an index has on its children."""

from __future__ import annotations

from chalicelib.kernel.errors import Unavailable
from chalicelib.ports import keys
from chalicelib.ports.table import Delete, Table, TransactionCancelled, Update, Write

from . import store
from .blobs import ATTEMPTS


def let_go(table: Table, repository: str, digest: str, incarnation: str, moment: str, *, mortal: bool) -> None:
    """The index of this incarnation holds the child no more; the child is looked at again as soon as its own grace
    period allows. `mortal`: the index was really there, so the child goes with its last holder. Safe to repeat."""
    hold = keys.hold(repository, digest, "INDEX", incarnation)
    for _ in range(ATTEMPTS):
        child = store.manifest(table, repository, digest)
        writes: list[Write] = [Delete(hold)]
        if child is not None:
            due = store.manifest_due(digest, repository, max(child.held_until, moment))
            change = {"mortal": child.mortal or mortal, **due}
            key = keys.manifest(repository, digest)
            writes.append(Update(key, set=change, add={"version": 1}, when=store.as_seen(child)))
        try:
            return table.transact(writes, relaxed=True)
        except TransactionCancelled:
            continue
    raise Unavailable
