"""Which tags of an entry may come back, and what comes back with them.

v1               comes back with its mark, and after it the entry of the companion that the mark names
v1-accelerated   comes back only beside the version that it was made of; under another name it is nobody's companion
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.kernel.errors import Refused, TagReserved
from chalicelib.kernel.names import TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Check
from chalicelib.repositories.models import Repository

from . import store
from .companions import (
    CompanionNames,
    OriginalAway,
    companion_keys,
    companions_in,
    entries_of_companions,
    kept_companion,
    mark_of,
    names,
)
from .models import Acceleration, BinEntry, TagRecord

KeptTag = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Returning:
    """
    refused     tags that may not come back as things stand, and why
    companions  tags that are companions, and come back as such
    checks      that their originals are still where they were seen
    marks       of originals whose companions are there or come back too
    following   entries of those companions
    """

    refused: Mapping[TagName, Refused] = field(default_factory=dict)
    companions: frozenset[TagName] = frozenset()
    checks: tuple[Check, ...] = ()
    marks: Mapping[TagName, Acceleration] = field(default_factory=dict)
    following: tuple[BinEntry, ...] = ()


class Returns:
    def __init__(self, stack: Stack) -> None:
        self._table = stack.table
        self._names = CompanionNames(stack)

    def of(self, repository: Repository, entry: BinEntry, tags: Sequence[KeptTag], by: str) -> Returning:
        """tags: some of the entry's, under their own names."""
        own_names = [_name(tag) for tag in tags]
        if all(name.original == name for name in own_names) and not any(mark_of(tag) for tag in tags):
            return Returning()
        companions = [_name(tag) for tag in tags if kept_companion(tag)]
        refused: dict[TagName, Refused] = self.reserved(repository, sorted(set(own_names) - set(companions)), by)
        originals = self._originals(repository.id, companions)
        together = {_name(tag).accelerated for tag in entry.tags if tag.get("accelerated") == entry.digest}
        beside = [name for name in companions if names(originals.get(name), entry.digest)]
        for name in companions:
            comes_too = name in together and name not in originals
            if name not in beside and not comes_too:
                refused[name] = OriginalAway(repository.name, name)
        checks = [Check(keys.tag(repository.id, name.original), store.as_seen(originals[name])) for name in beside]
        marks, following = self._companions_of(repository, entry, tags)
        return Returning(refused, frozenset(companions), tuple(checks), marks, following)

    def reserved(self, repository: Repository, wanted: Sequence[TagName], by: str) -> dict[TagName, Refused]:
        """Of names that ordinary tags are to come back under. One that a companion has is taken anyway."""
        reserved = self._names.reserved(repository, wanted, {}, by)
        return {name: TagReserved(repository.name, name, name.original) for name in reserved}

    def _originals(self, repository_id: str, companions: Sequence[TagName]) -> dict[TagName, TagRecord]:
        """That stand, by the names of their companions."""
        places = {name: keys.tag(repository_id, name.original) for name in companions}
        found = self._table.get_many(list(places.values()))
        return {name: TagRecord.model_validate(found[key]) for name, key in places.items() if key in found}

    def _companions_of(
        self, repository: Repository, entry: BinEntry, tags: Sequence[KeptTag]
    ) -> tuple[dict[TagName, Acceleration], tuple[BinEntry, ...]]:
        """Marks of originals, as far as what they name is there, in this entry, or in another."""
        marks = {_name(tag): mark for tag in tags if (mark := mark_of(tag)) is not None}
        if not marks:
            return {}, ()
        wanted = companion_keys(repository.id, marks)
        found = self._table.get_many(list(wanted.values()))
        standing = {original: row.digest for original, row in companions_in(found, wanted).items()}
        free = [tag for tag in tags if _name(tag) in marks and wanted.get(_name(tag)) not in found]
        following = entries_of_companions(self._table, entry.instance_id, repository.id, free)
        there = {_name(tag): entry.digest for tag in entry.tags} | {TagName(one.name): one.digest for one in following}
        true = {
            original: mark
            for original, mark in marks.items()
            if mark.digest in (standing.get(original), there.get(original.accelerated))
        }
        return true, tuple(following)


def _name(tag: KeptTag) -> TagName:
    return TagName(str(tag["name"]))
