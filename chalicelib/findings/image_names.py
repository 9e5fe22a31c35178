"""What an image is known by beside its digest: repositories that hold it, and indexes that list it."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.ports import keys
from chalicelib.ports.stack import Stack

from .service import Findings


@dataclass(frozen=True, slots=True)
class ImageNames:
    """repositories: full names; indexes: digests."""

    repositories: tuple[str, ...] = ()
    indexes: frozenset[str] = frozenset()


class NamesOfImages:
    """Of one instance. Each image is looked up once."""

    def __init__(self, stack: Stack, instance_id: str) -> None:
        self._table = stack.table
        self._findings = Findings(stack)
        self._instance_id = instance_id
        self._known: dict[str, ImageNames] = {}

    def of(self, digest: str) -> ImageNames:
        if digest not in self._known:
            self._known[digest] = self._look(digest)
        return self._known[digest]

    def _look(self, digest: str) -> ImageNames:
        record = self._findings.of(self._instance_id, digest)
        if record is None:
            return ImageNames()
        pointers = self._table.get_many([keys.repository_by_id(one) for one in record.repositories])
        names = [item["name"] for item in pointers.values() if "state" not in item]
        # The record learns of an index behind its own scan; what holds the image knew of it before.
        holds = [
            hold["index"]
            for repository in record.repositories
            for hold in self._table.query(
                keys.repository_partition(repository), prefix=keys.hold_prefix(digest, "INDEX")
            ).items
        ]
        return ImageNames(tuple(names), frozenset({*record.parents, *holds}))
