"""Versions of charts as rows have them: tags, each with what its manifest's row says of the chart.

newest tags by push (one query) ─► their manifests (one batch read) ─► facts    looked up where a row has none yet
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeVar

import msgspec

from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item
from chalicelib.registry.annotation import Annotations, kind_of
from chalicelib.registry.models import ManifestRecord
from chalicelib.repositories.models import Repository

T = TypeVar("T")

_AT_ONCE: Final = 8


class _Named(msgspec.Struct):
    name: str
    version: str


@dataclass(frozen=True)
class Shelved:
    """One version under one tag. text: what its row says of Chart.yaml, as JSON on one line; name and version are out
    of that. row: of its manifest."""

    tag: Item
    row: Item
    text: str
    name: str
    version: str

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """The text, read: of an index of thousands nobody needs it."""
        return json.loads(self.text)  # type: ignore[no-any-return]


class Shelf:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._annotations = Annotations(stack)

    def of_each(self, work: Callable[[Repository], T], repositories: Sequence[Repository]) -> Iterator[T]:
        """What `work` reads of each repository, in their order; where the table is far away several at a time."""
        if self._stack.exact or len(repositories) < 2:
            yield from map(work, repositories)
            return
        pool = ThreadPoolExecutor(min(_AT_ONCE, len(repositories)))
        try:
            yield from pool.map(work, repositories)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def tags(self, repository: Repository, most: int) -> Page[Item]:
        """Rows of the tags pushed last, the newest first."""
        return self._table.query(keys.pushed_order(repository.id), index="i1", limit=most, descending=True)

    def versions(self, instance_id: str, tags: Sequence[Item]) -> list[Shelved]:
        """Of tags of any repositories, in their order; those that are no charts are left out."""
        places = [keys.manifest(tag["repository_id"], tag["digest"]) for tag in tags]
        rows = self._table.get_many(places) if places else {}
        texts = {place: self._text(instance_id, row) for place, row in rows.items()}
        read = msgspec.json.Decoder(_Named).decode
        found = []
        for tag, place in zip(tags, places, strict=True):
            if text := texts.get(place):
                named = read(text)
                found.append(Shelved(tag, rows[place], text, named.name, named.version))
        return found

    def _text(self, instance_id: str, row: Item) -> str:
        """Nothing for what is no chart."""
        if row["state"] != "live":
            return ""
        noted: str | None = row.get("chart")
        if noted is not None:
            return noted
        record = ManifestRecord.model_validate(row)
        return self._annotations.of(instance_id, record).chart if kind_of(record) == "chart" else ""
