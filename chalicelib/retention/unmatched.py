"""Tags that no pattern matches, in repositories that some rule covers: `latest` under `v*`. They go first, so they are
shown apart before anybody saves or runs anything.

By name, in passes of at most 5 000 rows; a cursor is the last place that was looked at: `<repository>` or
`<repository>:<tag>`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from chalicelib.immutability.service import Immutability
from chalicelib.kernel.names import TagName
from chalicelib.kernel.paging import MOST_ROWS, Page
from chalicelib.namespaces.models import Namespace
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item
from chalicelib.registry.walking import place_of, repositories_from
from chalicelib.repositories.models import Repository

from .models import UnmatchedTag
from .rules import Patterns, covering, unmatched

_TAGS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Seen:
    """rows: looked at, all of one page; place: of the last; tags: those that no pattern matches."""

    rows: int
    place: str
    tags: tuple[UnmatchedTag, ...] = ()


class Unmatched:
    def __init__(self, stack: Stack, namespace: Namespace) -> None:
        self._stack = stack
        self._table = stack.table
        self._namespace = namespace
        self._immutability = Immutability(stack)

    def page(self, rules: Sequence[Patterns], cursor: str | None, limit: int, search: str = "") -> Page[UnmatchedTag]:
        """Up to so many; the cursor goes on behind the last. search: text that `<repository>:<tag>` holds. Raises
        Invalid naming `cursor`."""
        name, tag = place_of(self._namespace.name, cursor)
        found: list[UnmatchedTag] = []
        looked_at = 0
        for seen in self._walk(rules, name, tag):
            looked_at += seen.rows
            found.extend(one for one in seen.tags if search in f"{one.repository}:{one.tag}")
            if len(found) > limit:
                last = found[limit - 1]
                return Page(tuple(found[:limit]), f"{last.repository}:{last.tag}")
            if looked_at >= MOST_ROWS:
                return Page(tuple(found), seen.place)
        return Page(tuple(found))

    def told(self, rules: Sequence[Patterns]) -> str:
        """How many there are, for the one who is to confirm."""
        found = self.page(rules, None, MOST_ROWS)
        count, least = len(found.items), "at least " if found.next is not None else ""
        if not count:
            return f"a pattern matches every tag{f' of the first {MOST_ROWS}' if least else ''}"
        first = found.items[0]
        tags = "1 tag that no pattern matches goes" if count == 1 else f"{count} tags that no pattern matches go"
        return f"{least}{tags}, such as {first.repository}:{first.tag}"

    def _walk(self, rules: Sequence[Patterns], name: str, tag: str) -> Iterator[_Seen]:
        """From behind that place on."""
        for repository in repositories_from(self._stack, self._namespace, name, tag):
            covered = covering(rules, repository.name)
            speaks_of_all = any(rule.tags.everything for rule in covered)
            if covered and not speaks_of_all:
                yield from self._tags(repository, covered, tag if repository.name == name else "")
            yield _Seen(1, repository.name)

    def _tags(self, repository: Repository, rules: Sequence[Patterns], after: str) -> Iterator[_Seen]:
        first = keys.tag(repository.id, "")
        start, cursor = first.sk + after if after else None, None
        while True:
            query = partial(self._table.query, first.pk, prefix=first.sk, limit=_TAGS_AT_ONCE)
            page = query(after=start) if cursor is None and start is not None else query(cursor=cursor)
            if page.items:
                place = f"{repository.name}:{page.items[-1]['name']}"
                yield _Seen(len(page.items), place, tuple(self._going(repository, rules, page.items)))
            cursor = page.next
            if cursor is None:
                return

    def _going(self, repository: Repository, rules: Sequence[Patterns], rows: Sequence[Item]) -> Iterator[UnmatchedTag]:
        """Those of a page that no pattern matches, without the ones that stay for another reason."""
        spoken_of_by_none = {TagName(row["name"]): row for row in rows if unmatched(rules, TagName(row["name"]))}
        followed = {tag: keys.tag(repository.id, tag.original) for tag in spoken_of_by_none if tag.original != tag}
        there = self._table.get_many(list(followed.values()))
        loose = [tag for tag in spoken_of_by_none if followed.get(tag) not in there]
        if not loose:
            return
        judged = self._immutability.judge(repository.namespace_id, repository.id, repository.name, loose)
        for tag in loose:
            if not judged.rule_over(tag):
                yield _shown(repository, spoken_of_by_none[tag])


def _shown(repository: Repository, row: Item) -> UnmatchedTag:
    return UnmatchedTag(
        repository_id=repository.id,
        repository=repository.name,
        tag=row["name"],
        digest=row["digest"],
        size=row["size"],
        pushed_at=row["pushed_at"],
    )
