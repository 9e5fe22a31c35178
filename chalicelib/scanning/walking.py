"""All tags of a namespace, a few at a time, in an order that a later step goes on in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.paging import Page, every
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from .models import Target, Walk

# Of one repository, in one page.
_TAGS: Final = 50


class Walking:
    def __init__(self, stack: Stack, instance: Instance, namespace: str) -> None:
        self._table = stack.table
        self._instance = instance
        self._namespace = namespace
        self._repositories = Repositories(stack)

    def after(self, walk: Walk) -> Iterator[tuple[Target, Walk]]:
        """Tags that follow that place, each with its own; by repository and tag, in name order."""
        if walk.repository_id and (begun := self._begun(walk)) is not None:
            yield from self._tags(begun, walk.tag)
        for repository in self._following(walk.repository):
            yield from self._tags(repository, "")

    def _tags(self, repository: Repository, after: str) -> Iterator[tuple[Target, Walk]]:
        first = keys.tag(repository.id, "")

        def load(cursor: str | None) -> Page[dict[str, str]]:
            start = keys.tag(repository.id, after).sk if after and cursor is None else None
            page = self._table.query(first.pk, prefix=first.sk, after=start, cursor=cursor, limit=_TAGS)
            return page.map(lambda row: {"name": row["name"], "digest": row["digest"]})

        for tag in every(load):
            name, digest = tag["name"], tag["digest"]
            place = Walk(repository_id=repository.id, repository=repository.name, tag=name)
            yield Target(repository_id=repository.id, repository=repository.name, tag=name, digest=digest), place

    def _begun(self, walk: Walk) -> Repository | None:
        try:
            return self._repositories.of_namespace(self._instance, self._namespace, walk.repository_id)
        except NotFound:
            return None

    def _following(self, passed: str) -> Iterator[Repository]:
        def load(cursor: str | None) -> Page[Repository]:
            after = RepositoryName(passed) if passed and cursor is None else None
            return self._repositories.list(self._instance.id, prefix=f"{self._namespace}/", after=after, cursor=cursor)

        yield from every(load)
