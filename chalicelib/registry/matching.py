"""Which tags two patterns mean, before a rule has them: by name, in passes of at most 5 000 rows.

A cursor is the last place that was looked at: `<repository>` or `<repository>:<tag>`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, Field

from chalicelib.edge.answers import ListQuery
from chalicelib.kernel.modelling import MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.paging import MOST_ROWS, Page, every
from chalicelib.kernel.patterns import Pattern
from chalicelib.namespaces.models import Namespace
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item
from chalicelib.repositories.models import Repository

from .walking import place_of, repositories_from

_TAGS_AT_ONCE = 500


class MatchQuery(ListQuery):
    """repositories: pattern of names inside the namespace; tags: pattern of tags; search: only tags that hold this."""

    repositories: Pattern = Pattern("**")
    tags: Pattern = Pattern("**")
    search: Annotated[str, Field(max_length=128)] = ""


class MatchingTag(BaseModel):
    model_config = MADE

    repository_id: str
    repository: str
    tag: str
    digest: str
    size: int
    pushed_at: Moment


class Matching:
    def __init__(self, stack: Stack, namespace: Namespace) -> None:
        self._stack = stack
        self._namespace = namespace

    def page(self, query: MatchQuery) -> Page[MatchingTag]:
        """Raises Invalid naming `cursor`."""
        name, tag = place_of(self._namespace.name, query.cursor)
        found: list[MatchingTag] = []
        place = ""
        for looked_at, (repository, row) in enumerate(self._rows(query.repositories, name, tag)):
            if len(found) == query.limit or looked_at == MOST_ROWS:
                return Page(tuple(found), place)
            place = repository.name if row is None else f"{repository.name}:{row['name']}"
            if row is not None and query.tags.matches(row["name"]) and query.search in row["name"]:
                found.append(_shown(repository, row))
        return Page(tuple(found))

    def _rows(self, wanted: Pattern, name: str, tag: str) -> Iterator[tuple[Repository, Item | None]]:
        """From behind that place on: tags of the repositories that are meant, and each repository at its end."""
        for repository in repositories_from(self._stack, self._namespace, name, tag):
            if wanted.matches(repository.name.short):
                for row in self._tags(repository, tag if repository.name == name else ""):
                    yield repository, row
            yield repository, None

    def _tags(self, repository: Repository, after: str) -> Iterator[Item]:
        first = keys.tag(repository.id, "")
        start = first.sk + after if after else None

        def load(cursor: str | None) -> Page[Item]:
            beyond = start if cursor is None else None
            return self._stack.table.query(first.pk, prefix=first.sk, after=beyond, cursor=cursor, limit=_TAGS_AT_ONCE)

        yield from every(load)


def _shown(repository: Repository, row: Item) -> MatchingTag:
    return MatchingTag(
        repository_id=repository.id,
        repository=repository.name,
        tag=row["name"],
        digest=row["digest"],
        size=row["size"],
        pushed_at=row["pushed_at"],
    )
