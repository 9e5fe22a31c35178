"""The door of the room: what scans came to, looked up by digest and written at the version seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.paging import Page
from chalicelib.ports import scan_keys as keys
from chalicelib.ports.passes import rows_wanted
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Delete, Item, TransactionCancelled, Update, equals

from . import store
from .models import Found, ScanDetail, ScanRecord

# Two scans of one image, and its indexes' others, meet at a row this often at most.
_ATTEMPTS: Final = 20


class Findings:
    def __init__(self, stack: Stack) -> None:
        self._table = stack.table

    def of(self, instance_id: str, digest: str) -> ScanRecord | None:
        """None where nobody asked for a scan."""
        return store.record(self._table.get(keys.scan(instance_id, digest)))

    def several(self, instance_id: str, digests: Iterable[str]) -> dict[str, ScanRecord]:
        """Those that are there, by digest. One batch read."""
        found = self._table.get_many([keys.scan(instance_id, digest) for digest in dict.fromkeys(digests)])
        return {item["digest"]: ScanRecord.model_validate(item) for item in found.values()}

    def detail(self, instance_id: str, digest: str) -> ScanDetail:
        return store.detail(self._table.get(keys.scan_detail(instance_id, digest)))

    def details(self, instance_id: str, digests: Iterable[str]) -> dict[str, ScanDetail]:
        """Those that are there, by digest. One batch read."""
        wanted = {keys.scan_detail(instance_id, digest): digest for digest in digests}
        found = self._table.get_many(list(wanted)) if wanted else {}
        return {wanted[key]: store.detail(item) for key, item in found.items()}

    def all(self, instance_id: str) -> Iterator[ScanRecord]:
        """Every record of an instance, page by page."""
        cursor = None
        while True:
            page = self._table.query(keys.scans_partition(instance_id), prefix=keys.scan("", "").sk, cursor=cursor)
            yield from (ScanRecord.model_validate(item) for item in page.items)
            cursor = page.next
            if cursor is None:
                return

    def following(self, instance_id: str, after: str, limit: int) -> list[ScanRecord]:
        """The next records in the order of their digests, so many at most; none behind the last. after: a digest"""
        first, prefix = keys.scan(instance_id, after).sk, keys.scan("", "").sk
        page = self._table.query(keys.scans_partition(instance_id), prefix=prefix, after=first, limit=limit)
        return [ScanRecord.model_validate(item) for item in page.items]

    def confirm(self, record: ScanRecord, database: str, database_updated_at: str) -> bool:
        """Judged by another database the image comes to the same. False where the record changed since it was read."""
        told = {"database": database, "database_updated_at": database_updated_at}
        key, seen = keys.scan(record.instance_id, record.digest), equals("version", record.version)
        try:
            # Lost in a power cut, it is found out again.
            self._table.update(Update(key, set=told, add={"version": 1}, when=seen), relaxed=True)
        except ConditionFailed:
            return False
        return True

    def holding(
        self, instance_id: str, word: str, wanted: Callable[[Found], bool], cursor: str | None, limit: int
    ) -> Page[tuple[str, list[Found]]]:
        """Images with findings that are wanted, with those, by a bounded pass over the rows of all (`kernel.paging`).

        word     in lower case: rows that do not have it somewhere are not looked into
        cursor   a digest, that of the last row looked at; an index has no row, its images have theirs
        """
        inside, matching = json.dumps(word, ensure_ascii=False)[1:-1], dict[str, list[Found]]()

        def fits(row: Item) -> bool:
            text = store.found_text(row)
            found = [one for one in store.found(text) if wanted(one)] if inside in text.lower() else []
            if found:
                matching[row["digest"]] = found
            return bool(found)

        first = keys.scan_found(instance_id, "")
        page = rows_wanted(self._table, first, fits, cursor, limit, descending=False)
        return page.map(lambda row: (row["digest"], matching[row["digest"]]))

    def change(
        self,
        instance_id: str,
        digest: str,
        change: Callable[[ScanRecord], ScanRecord],
        detail: ScanDetail | None = None,
    ) -> ScanRecord:
        """Writes what `change` makes of the record as it stands; one that is not there yet is an empty one.

        change   may be called again where somebody else was faster; answering what it was given writes nothing
        """
        for _ in range(_ATTEMPTS):
            seen = self.of(instance_id, digest) or ScanRecord(instance_id=instance_id, digest=digest)
            wanted = change(seen)
            if wanted == seen and detail is None:
                return seen
            try:
                self._table.transact(store.replacement(seen.version, wanted, detail))
            except TransactionCancelled:
                continue
            return wanted.model_copy(update={"version": seen.version + 1})
        raise Unavailable

    def forget(self, record: ScanRecord) -> bool:
        """Deletes record, detail and findings unless they changed since; answers whether they went."""
        row = Delete(keys.scan(record.instance_id, record.digest), store.as_seen(record.version))
        try:
            rest = (keys.scan_detail, keys.scan_found)
            self._table.transact([row, *(Delete(key(record.instance_id, record.digest)) for key in rest)])
        except TransactionCancelled:
            return False
        return True
