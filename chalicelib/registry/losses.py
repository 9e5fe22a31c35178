"""What would be lost with a repository or a namespace: counted far enough to warn, at a cost that is bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Key

# Rows that one question looks at, of tags, manifests and blobs together; what holds more is said to hold "at least".
MOST_ROWS: Final = 5000
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Losses:
    """repositories: of a namespace. size: bytes of the blobs it can read, each counted once, also those that others
    share. more: there is more of all that."""

    repositories: int | None
    tags: int
    manifests: int
    size: int
    more: bool

    def __str__(self) -> str:
        counted = f"{self.tags} tags, {self.manifests} manifests and {self.size} bytes of content"
        if self.repositories is not None:
            counted = f"{self.repositories} repositories, {counted}"
        return f"at least {counted}" if self.more else counted


class Losing:
    """One question. It counts on from repository to repository until its rows are used up."""

    def __init__(self, stack: Stack, instance: Instance) -> None:
        self._table = stack.table
        self._instance = instance
        self._left = MOST_ROWS
        self._tags = 0
        self._manifests = 0
        self._sizes: dict[str, int] = {}
        self._more = False

    def repository(self, repository_id: str) -> Losses:
        """Of one repository, whose rows are counted in a few queries."""
        self._count(repository_id)
        return self._so_far(None)

    def namespace(self, name: str) -> Losses:
        """Of all repositories of a namespace."""
        prefix, repositories, cursor = keys.repository(self._instance.id, f"{name}/").sk, 0, None
        while True:
            page = self._table.query(
                keys.instance_partition(self._instance.id), prefix=prefix, cursor=cursor, limit=_PAGE
            )
            repositories += len(page.items)
            for row in page.items:
                self._count(row["id"])
            cursor = page.next
            if cursor is None or self._more:
                self._more = self._more or cursor is not None
                return self._so_far(repositories)

    def _so_far(self, repositories: int | None) -> Losses:
        return Losses(repositories, self._tags, self._manifests, sum(self._sizes.values()), self._more)

    def _count(self, repository_id: str) -> None:
        self._tags += len(self._rows(keys.tag(repository_id, "")))
        self._manifests += len(self._rows(keys.manifest(repository_id, "")))
        unknown = [digest for digest in self._rows(keys.link(repository_id, "")) if digest not in self._sizes]
        heads = self._table.get_many([keys.head(self._instance.id, digest) for digest in unknown])
        for digest in unknown:
            head = heads.get(keys.head(self._instance.id, digest))
            self._sizes[digest] = int(head["size"]) if head else 0

    def _rows(self, first: Key) -> list[str]:
        """Digests of those whose sk begins like `first`'s, as long as there are rows left to look at."""
        found: list[str] = []
        cursor = None
        while self._left > 0:
            page = self._table.query(first.pk, prefix=first.sk, cursor=cursor, limit=min(_PAGE, self._left))
            found.extend(str(row["digest"]) for row in page.items)
            self._left -= max(len(page.items), 1)
            cursor = page.next
            if cursor is None:
                return found
        self._more = True
        return found
