"""What a migration in the service takes its images from, one route after another.

by rules   a rule is a route, by its number: its source's tags into its target
whole      a repository is a route, by its name: made at the target with its namespace, if it is not there
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from chalicelib.copying.ends import Source
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, NotFound
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.paging import Page, every
from chalicelib.namespaces.models import NewNamespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from .documents import from_text
from .files import Rule, read_rules
from .homes import Homes
from .models import Order, Wanted
from .places import Place
from .planning import images, lists_tags


@dataclass(frozen=True, slots=True)
class Route:
    """
    cursor    by which the routes behind it are found
    itself    stands for all its images where nobody can say which they are
    prepare   before the first image; raises QuotaExceeded, EditionRequired
    """

    cursor: str
    itself: Wanted
    place: Place
    rule: Rule
    open: Callable[[Place], Source]
    prepare: Callable[[], None] = lambda: None

    def source(self) -> Source:
        """Raises NotFound, Denied, NameInvalid."""
        return self.open(self.place)

    def images(self, behind: str) -> Iterator[tuple[str, Wanted | None]]:
        """By tag, behind one, so that they go on there whatever came or went meanwhile; None for a tag that is not
        wanted: of very many it takes long to look at all of them. Raises what listing tags raises."""
        if lists_tags(self.rule):
            tags = sorted(tag for tag in self.source().tags() if tag > behind)
            return ((tag, next(self._of([tag]), None)) for tag in tags)
        wanted = sorted(self._of(()), key=_place)
        return ((_place(one), one) for one in wanted if _place(one) > behind)

    def _of(self, tags: Sequence[str]) -> Iterator[Wanted]:
        for image in images(self.rule, tags):
            target = image.target.repository
            yield Wanted(
                entry=image.entry, source=str(image.source), reference=image.reference, target=target, tag=image.tag
            )


def _place(image: Wanted) -> str:
    return image.tag or image.reference


def routes(stack: Stack, order: Order, homes: Homes, passed: str) -> Iterator[Route]:
    """Those behind the one that was passed last, "" for all."""
    if not order.source_id:
        for number, rule in enumerate(read_rules(from_text(order.images, "images"), None)):
            if f"{number:06d}" > passed:
                yield _route(f"{number:06d}", rule, homes)
        return
    source, target = Instances(stack).load(order.source_id), Instances(stack).load(order.target_id)
    for repository in _repositories(stack, order, passed):
        rule = Rule(Place(source.id, repository.name), Place("", repository.name), repository.name)
        yield _route(repository.name, rule, homes, _Home(stack, source, target, repository).make)


def _route(cursor: str, rule: Rule, homes: Homes, prepare: Callable[[], None] = lambda: None) -> Route:
    itself = Wanted(entry=rule.entry, source=str(rule.source), reference="", target=rule.target.repository)
    return Route(cursor, itself, rule.source, rule, homes.source, prepare)


def _repositories(stack: Stack, order: Order, passed: str) -> Iterator[Repository]:
    """In the order of their whole names: `a-b/x` comes before `a/x`."""
    repositories = Repositories(stack)
    for prefix in sorted(f"{name}/" for name in order.namespaces) or [""]:
        after = RepositoryName(passed) if passed.startswith(prefix) and passed else None

        load = partial(_page, repositories, order.source_id, prefix, after)
        yield from (repository for repository in every(load) if repository.name > passed)


def _page(
    repositories: Repositories, instance_id: str, prefix: str, after: RepositoryName | None, cursor: str | None
) -> Page[Repository]:
    within = after if cursor is None else None
    return repositories.list(instance_id, prefix=prefix, after=within, cursor=cursor)


class _Home:
    """The repository at the target that an image goes to, made like the one it comes from."""

    def __init__(self, stack: Stack, source: Instance, target: Instance, repository: Repository) -> None:
        self._namespaces = Namespaces(stack)
        self._repositories = Repositories(stack)
        self._source = source
        self._target = target
        self._repository = repository

    def make(self) -> None:
        """Raises QuotaExceeded, EditionRequired."""
        here = self._repository
        with suppress(NotFound):
            self._repositories.get(self._target.id, here.name, fresh=True)
            return
        self._make_namespace()
        accelerated = here.acceleration and self._target.edition == "enterprise"
        with suppress(Conflict):
            self._repositories.create(
                self._target,
                here.name,
                here.visibility,
                "system:migration",
                summary=here.summary,
                acceleration=accelerated,
            )

    def _make_namespace(self) -> None:
        name = self._repository.name.namespace
        with suppress(NotFound):
            self._namespaces.get(self._target.id, name, fresh=True)
            return
        there = self._namespaces.get(self._source.id, name, fresh=True)
        switches = there.model_dump(include=set(NewNamespace.model_fields))
        switches["acceleration"] = there.acceleration and self._target.edition == "enterprise"
        with suppress(Conflict):
            self._namespaces.create(self._target, NewNamespace(**switches))
