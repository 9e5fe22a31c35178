"""What would be lost with a repository, a namespace or an instance: counted far enough to warn, at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from chalicelib.immutability.policies import Policies
from chalicelib.immutability.service import Immutability
from chalicelib.instances.models import Instance
from chalicelib.kernel.modelling import MADE
from chalicelib.kernel.names import TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, Key
from chalicelib.repositories.models import Repository

# Rows that one question looks at, of tags, manifests and blobs together; what holds more is said to hold "at least".
MOST_ROWS: Final = 5000
_PAGE: Final = 500


def in_words(number: int, thing: str, things: str = "") -> str:
    """`1 tag`, `2 tags`."""
    return f"{number} {thing if number == 1 else things or f'{thing}s'}"


@dataclass(frozen=True, slots=True)
class Losses:
    """repositories: of a namespace. immutable: tags that a rule keeps. size: bytes of the blobs it can read, each
    counted once, also those that others share. more: there is more of all that."""

    repositories: int | None
    tags: int
    immutable: int
    manifests: int
    size: int
    more: bool

    def __str__(self) -> str:
        kept = f" ({self.immutable} of them immutable)" if self.immutable else ""
        counted = f"{in_words(self.tags, 'tag')}{kept}, {in_words(self.manifests, 'manifest')} and {self.size} bytes"
        if self.repositories is not None:
            counted = f"{in_words(self.repositories, 'repository', 'repositories')}, {counted}"
        counted = f"{counted} of content"
        return f"at least {counted}" if self.more else counted


class ContentLosses(BaseModel):
    """immutable: tags that a rule keeps. size: bytes of content, also of what others share. more: there is more of all
    that."""

    model_config = MADE

    tags: int
    immutable: int
    manifests: int
    size: int
    more: bool


class RepositoryLosses(ContentLosses):
    """services: bound ones whose images it holds, `environment/service`; the first eleven."""

    services: tuple[str, ...]


class NamespaceLosses(ContentLosses):
    repositories: int


class Losing:
    """One question. It counts on from repository to repository until its rows are used up."""

    def __init__(self, stack: Stack, instance: Instance) -> None:
        self._stack = stack
        self._table = stack.table
        self._instance = instance
        self._immutability = Immutability(stack)
        self._left = MOST_ROWS
        self._tags = 0
        self._immutable = 0
        self._manifests = 0
        self._sizes: dict[str, int] = {}
        self._more = False

    def repository(self, repository: Repository) -> Losses:
        """Of one repository, whose rows are counted in a few queries."""
        self._count(repository)
        return self._so_far(None)

    def namespace(self, name: str) -> Losses:
        """Of all repositories of a namespace."""
        return self._so_far(self._each_repository(name, self._count))

    def immutable_tags(self) -> str:
        """How many of an instance's tags some rule keeps, in words; "" where none does."""
        number, more = self.immutable()
        counted = in_words(number, "immutable tag")
        return "" if not number and not more else f"at least {counted}" if more else counted

    def immutable(self) -> tuple[int, bool]:
        """How many of an instance's tags some rule keeps, and whether there are more. Looks where there are rules."""
        for namespace, _ in Policies(self._stack).in_force(self._instance):
            self._each_repository(namespace.name, self._count_tags)
        return self._immutable, self._more

    def _each_repository(self, namespace: str, count: Callable[[Repository], None]) -> int:
        """How many there are, as far as there were rows left."""
        prefix, repositories, cursor = keys.repository(self._instance.id, f"{namespace}/").sk, 0, None
        while True:
            page = self._table.query(
                keys.instance_partition(self._instance.id), prefix=prefix, cursor=cursor, limit=_PAGE
            )
            repositories += len(page.items)
            for row in page.items:
                count(Repository.model_validate(row))
            cursor = page.next
            if cursor is None or self._more:
                self._more = self._more or cursor is not None
                return repositories

    def _so_far(self, repositories: int | None) -> Losses:
        size = sum(self._sizes.values())
        return Losses(repositories, self._tags, self._immutable, self._manifests, size, self._more)

    def _count(self, repository: Repository) -> None:
        self._count_tags(repository)
        self._manifests += len(self._rows(keys.manifest(repository.id, "")))
        linked = [str(row["digest"]) for row in self._rows(keys.link(repository.id, ""))]
        unknown = [digest for digest in linked if digest not in self._sizes]
        heads = self._table.get_many([keys.head(self._instance.id, digest) for digest in unknown])
        for digest in unknown:
            head = heads.get(keys.head(self._instance.id, digest))
            self._sizes[digest] = int(head["size"]) if head else 0

    def _count_tags(self, repository: Repository) -> None:
        tags = self._rows(keys.tag(repository.id, ""))
        self._tags += len(tags)
        if tags:
            kept_by = self._immutability.told(repository.namespace_id, repository.name)
            self._immutable += sum(1 for row in tags if kept_by(TagName(row["name"])))

    def _rows(self, first: Key) -> list[Item]:
        """Those whose sk begins like `first`'s, as long as there are rows left to look at."""
        found: list[Item] = []
        cursor = None
        while self._left > 0:
            page = self._table.query(first.pk, prefix=first.sk, cursor=cursor, limit=min(_PAGE, self._left))
            found.extend(page.items)
            self._left -= max(len(page.items), 1)
            cursor = page.next
            if cursor is None:
                return found
        self._more = True
        return found
