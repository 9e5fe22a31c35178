"""Passes over the tags of a namespace, by name. A cursor is a place: `<repository>` or `<repository>:<tag>`."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.kernel.errors import Invalid, NameInvalid
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.kernel.paging import Page, every
from chalicelib.namespaces.models import Namespace
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories


def place_of(namespace: str, cursor: str | None) -> tuple[str, str]:
    """Repository and tag, "" for none. Raises Invalid naming `cursor`, also for a place in another namespace."""
    name, _, tag = (cursor or "").partition(":")
    try:
        fits = not cursor or RepositoryName.parse(name).namespace == namespace
    except NameInvalid:
        fits = False
    if not fits or (tag and not TagName.fits(tag)):
        raise Invalid("cursor", "is not `next` of a page of this list")
    return name, tag


def repositories_from(stack: Stack, namespace: Namespace, name: str, tag: str) -> Iterator[Repository]:
    """Those behind that place, and the one amid whose tags it is."""
    repositories, instance = Repositories(stack), namespace.instance_id
    if tag:
        found = repositories.list(instance, prefix=name, limit=1).items
        yield from (repository for repository in found if repository.name == name)
    after = RepositoryName(name) if name else None
    prefix = f"{namespace.name}/"

    def load(cursor: str | None) -> Page[Repository]:
        return repositories.list(instance, prefix=prefix, after=after if cursor is None else None, cursor=cursor)

    yield from every(load)
