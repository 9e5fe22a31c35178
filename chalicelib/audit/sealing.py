"""The sealer: each closed minute of each scope is hashed, behind the seal before. It runs every minute.

    writers   UNSEALED note (once a minute and process), then the entry
    sealer    notes that are due, oldest first ─► read the minute ─► seal and HEAD in one transaction ─► note goes

A crash in between leaves the note, and the next run goes on. Two sealers at once compute the same seal, and the
transaction takes one of them: it needs the seal absent and the HEAD as it was read.
"""

from __future__ import annotations

from typing import Final

from chalicelib.edge.log import logger
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.paging import every
from chalicelib.ports import audit_keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, Key, TransactionCancelled

from . import rules, store
from .models import Seal

_ATTEMPTS: Final = 5
_PAGE: Final = 200


class Sealer:
    def __init__(self, stack: Stack) -> None:
        self._table = stack.audit
        self._clock = stack.clock

    def run(self) -> int:
        """Seals what is due; answers how many minutes. A scope that fails leaves the others to be sealed."""
        return sum(self._seal_shard(pk) for pk in audit_keys.unsealed_partitions())

    def _seal_shard(self, pk: str) -> int:
        sealed = 0
        failed: set[str] = set()
        until = f"{rules.last_to_seal(self._clock.now())}#~"
        for note in every(lambda cursor: self._table.query(pk, until=until, cursor=cursor, limit=_PAGE)):
            if note["scope"] in failed:
                continue  # What follows a minute that could not be sealed waits for it.
            if self._settle(note):
                sealed += 1
            else:
                failed.add(note["scope"])
        return sealed

    def _settle(self, note: Item) -> bool:
        try:
            self._seal(note["scope"], note["minute"])
            self._table.delete(Key(note["pk"], note["sk"]), relaxed=True)
        except Unavailable:
            logger.exception("failed to seal", scope=note["scope"], minute=note["minute"])
            return False
        return True

    def _seal(self, scope: str, minute: str) -> None:
        """Nothing where it is sealed already, or where the writer died between its note and its entry."""
        for _ in range(_ATTEMPTS):
            last = store.last_seal(self._table, scope)
            if last is not None and last.minute >= minute:
                return
            number, previous = (last.number + 1, last.hash) if last else (1, "")
            hashed = rules.MinuteHash(scope, minute, number, previous)
            for item in store.entries_of_minute(self._table, scope, minute):
                hashed.add(item)
            if not hashed.entries:
                return
            seal = Seal(
                scope=scope,
                minute=minute,
                number=number,
                previous=previous,
                entries=hashed.entries,
                hash=hashed.hex(),
                sealed_at=self._clock.now(),
            )
            try:
                self._table.transact(store.sealing(seal))
            except TransactionCancelled:
                continue
            # The log is elsewhere, so that not even who may write the table can make another past.
            logger.info("audit minute sealed", scope=scope, minute=minute, seal=seal.hash, entries=seal.entries)
            return
        raise Unavailable
