"""The door of the room: recording deeds, and asking what was done. One plain put each; no request waits for another's.

record   one deed, under the present minute
file     one deed that may be told twice, and late: still one entry
count    a stranger's refusal: gathered in memory, one entry an address and minute
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from chalicelib.edge.tally import Tally, tally
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.ids import id_at, moment_of
from chalicelib.kernel.paging import Page
from chalicelib.ports.stack import Stack

from . import rules, store
from .models import Deed, Entry, Filter, Verdict
from .searching import Search
from .verifying import Verifier

_MOST_NOTED: Final = 10_000
_ATTEMPTS: Final = 5

# (scope, minute, address, code) → how often
Strangers = tuple[str, str, str, str]


class Audit:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.audit
        self._noted: set[tuple[str, str]] = stack.keep("audit minutes", set)
        self._strangers: Tally[Strangers] = tally(stack, "audit", self._write_counts)

    def treatment(self, refused: str, *, known: bool, changes: bool) -> rules.Treatment:
        """What becomes of one request. refused: the code, "" for success; known: it is known who asked."""
        return rules.treatment(refused, known=known, changes=changes)

    def record(self, scope: str, deed: Deed) -> None:
        """Durable when it returns. Raises Unavailable: whoever cannot say what was done must not claim it was."""
        self._put(scope, deed, id_at(self._stack.clock.now()))

    def file(self, scope: str, deed: Deed, tail: str, claim: Callable[[str, str], str]) -> None:
        """One entry, however often it is told of the deed, and however late.

        tail    end of the entry's id, the deed's own
        claim   (id seen, id wanted) → the id that is kept with the deed: the one wanted if the one seen was kept till
                then, "" if nobody needs to be told of the deed any more. Asked only about what comes late
        """
        now, timely = self._stack.clock.now(), id_at(deed.time, tail)
        if rules.may_file(timely, now):
            self._put(scope, deed, timely)
            return
        if store.stands(self._table, scope, timely):
            return
        seen = ""
        for _ in range(_ATTEMPTS):
            kept = claim(seen, id_at(self._stack.clock.now(), tail))
            if not kept or store.stands(self._table, scope, kept):
                return
            if rules.may_file(kept, self._stack.clock.now()):
                self._put(scope, deed, kept)
                return
            seen = kept
        raise Unavailable

    def count(self, scope: str, address: str, refused: str) -> None:
        """Costs nothing but memory; written by `edge.tally`."""
        self._strangers.add((scope, rules.minute_of(self._stack.clock.now()), address, refused))

    def search(self, scope: str, wanted: Filter, cursor: str | None, limit: int) -> Page[Entry]:
        """Newest first. With a keyword in passes of at most 5 000 rows: a page may be short, and `next` goes on.

        Raises Invalid naming `cursor`.
        """
        return Search(self._table, scope, self._stack.clock.now()).page(wanted, cursor, limit)

    def export(
        self, scope: str, wanted: Filter, cursor: str | None, most_bytes: int, line: Callable[[Entry], str]
    ) -> Page[str]:
        """The same as lines of text, as many as a call has room for."""
        return Search(self._table, scope, self._stack.clock.now()).lines(wanted, cursor, most_bytes, line)

    def verify(self, scope: str, since: datetime, known: str = "") -> Verdict:
        """Whether everything since is as it was sealed. known: hash of a seal, from the log, that must be there."""
        return Verifier(self._table, scope, self._stack.clock.now()).verify(since, known)

    def _put(self, scope: str, deed: Deed, entry_id: str) -> None:
        self._note(scope, entry_id)
        self._table.put(store.entry_item(Entry(id=entry_id, scope=scope, **deed.model_dump())))

    def _note(self, scope: str, entry_id: str) -> None:
        """Before the first entry of a minute, so that the sealer finds it. May reach the disk with the entry."""
        minute = rules.minute_of(moment_of(entry_id))
        if (scope, minute) in self._noted:
            return
        self._table.put(store.note_item(scope, minute), relaxed=True)
        if len(self._noted) >= _MOST_NOTED:
            self._noted.clear()
        self._noted.add((scope, minute))

    def _write_counts(self, counts: Mapping[Strangers, int]) -> None:
        entries = []
        for (scope, minute, address, refused), count in counts.items():
            deed = Deed(
                time=rules.start_of(minute),
                user="",
                object_type="request",
                action="refuse",
                result=refused,
                source_ip=address,
                count=count,
            )
            entry = Entry(id=id_at(self._stack.clock.now()), scope=scope, **deed.model_dump())
            self._note(scope, entry.id)
            entries.append(store.entry_item(entry))
        self._table.put_many(entries)
