"""What a task that somebody asked for has to bring: the tags of a namespace, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from chalicelib.copying.callers import SYNC, reader
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.kernel.paging import Page, every
from chalicelib.ports.stack import Stack
from chalicelib.registry.companions import is_companion
from chalicelib.registry.service import Registry
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from .models import Order, Wanted, Work
from .rules import matches_repository, matches_tag

# Tags that one step looks for; with the longest names there are, an eighth of what a task's row holds.
BATCH: Final = 100
_TAGS_A_PAGE: Final = 1000


class ImageList:
    def __init__(self, stack: Stack, instance: Instance, order: Order) -> None:
        self._instance = instance
        self._order = order
        self._registry = Registry(stack)
        self._repositories = Repositories(stack)

    def more(self, work: Work) -> Work:
        """The work with the next images wanted, and the place where the list goes on."""
        found: list[Wanted] = []
        for repository in self._left(work):
            after = work.tag if repository.name == work.repository else ""
            for name in self._tags(repository, after):
                if len(found) == BATCH:
                    return self._listed(work, found, {})
                found.append(Wanted(repository=repository.name, tag=name))
                work = work.model_copy(update={"repository": repository.name, "tag": name})
            work = work.model_copy(update={"repository": repository.name, "tag": "~"})
        return self._listed(work, found, {"listed": True})

    def _listed(self, work: Work, found: list[Wanted], more: dict[str, bool]) -> Work:
        counted = work.counted + len(found)
        return work.model_copy(update={"wanted": (*work.wanted, *found), "counted": counted, **more})

    def _left(self, work: Work) -> Iterator[Repository]:
        """Those that match, in name order, at first the one that the list ended in."""
        if work.repository:
            with suppress(NotFound):  # Deleted meanwhile.
                yield self._repositories.get(self._instance.id, work.repository, fresh=True)

        def load(cursor: str | None) -> Page[Repository]:
            after = RepositoryName(work.repository) if work.repository and cursor is None else None
            prefix = f"{self._order.source_namespace}/"
            return self._repositories.list(self._instance.id, prefix=prefix, after=after, cursor=cursor)

        yield from (one for one in every(load) if matches_repository(self._order, one.name))

    def _tags(self, repository: Repository, after: str) -> Iterator[str]:
        """Those that match and are somebody's: companions go with their originals. "~" is behind them all."""
        caller = reader(self._instance, repository.name, SYNC)
        while after != "~":
            try:
                page = self._registry.tags(caller, repository.name, after, _TAGS_A_PAGE)
            except NotFound:
                return  # Deleted meanwhile.
            for name in page.items:
                if matches_tag(self._order, name) and not self._is_companion(repository, TagName(name)):
                    yield name
            if page.next is None:
                return
            after = page.next

    def _is_companion(self, repository: Repository, name: TagName) -> bool:
        if name.original == name:
            return False
        try:
            return is_companion(self._registry.tag(repository, name))
        except NotFound:
            return False
