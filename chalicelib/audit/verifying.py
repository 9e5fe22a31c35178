"""The verifier: reads a scope's entries and seals side by side, and names the first minute that is not as sealed.

    seals     1 ◄─ 2 ◄─ 3 ◄─ … ◄─ HEAD        each names the one before, and how many stand before it
    entries   ▓▓   ▓    ▓▓▓                    each minute hashes to its seal; none lies where no seal is

What it cannot see alone: that somebody who may write the table made everything anew from some minute on, seals
included. The log has every seal's hash; give it one of those (`known`), and it sees that too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import ValidationError

from chalicelib.kernel.ids import is_id, moment_of
from chalicelib.ports import audit_keys
from chalicelib.ports.table import Item, Table

from . import rules, store
from .models import Finding, Seal, Verdict

_DAY = timedelta(days=1)
_PREFIX = "ENTRY#"


class Wrong(Exception):
    """Ends the reading at the first finding."""

    def __init__(self, minute: str, what: str) -> None:
        super().__init__(what)
        self.finding = Finding(minute, what)


class Verifier:
    def __init__(self, table: Table, scope: str, now: datetime) -> None:
        self._table = table
        self._scope = scope
        self._now = now
        self._minutes = 0
        self._proved = 0
        self._unsealed = 0
        self._last = ""
        self._number = 0
        self._known_seen = False

    def verify(self, since: datetime, known: str = "") -> Verdict:
        """since: when the scope began; days before it are not looked at."""
        finding = None
        try:
            self._compare(since, known)
        except Wrong as wrong:
            finding = wrong.finding
        return Verdict(self._scope, self._minutes, self._proved, self._unsealed, self._last, finding)

    def _compare(self, since: datetime, known: str) -> None:
        self._known_seen = not known
        minutes = self._by_minute(since)
        minute, items = next(minutes, ("", []))
        last_minute = ""
        for seal in self._seals():
            if minute and minute < seal.minute:
                raise Wrong(minute, "entries were added: no seal covers this minute, though a later one is sealed")
            if minute == seal.minute:
                self._prove(seal, items)
                minute, items = next(minutes, ("", []))
            else:
                self._prove(seal, [])
            self._known_seen = self._known_seen or seal.hash == known
            last_minute = seal.minute
        self._check_head(last_minute)
        if not self._known_seen:
            raise Wrong(last_minute or rules.minute_of(since), "the seal whose hash was given is not among the seals")
        while minute:
            self._expect_note(minute)
            self._unsealed += len(items)
            minute, items = next(minutes, ("", []))

    def _seals(self) -> Iterator[Seal]:
        for item in store.partition(self._table, audit_keys.seals_partition(self._scope), "SEAL#"):
            minute = str(item["sk"])[len("SEAL#") :]
            try:
                seal = Seal.model_validate(item)
            except ValidationError:
                raise Wrong(minute, "the seal was changed: it is not one of ours any more") from None
            if seal.minute != minute or seal.scope != self._scope:
                raise Wrong(minute, "the seal was changed: it says that it is another's")
            yield seal

    def _prove(self, seal: Seal, items: list[Item]) -> None:
        if seal.number != self._number + 1 or seal.previous != self._last:
            what = "a seal was removed or changed: the one of this minute does not follow on the one before"
            raise Wrong(seal.minute, what)
        if len(items) != seal.entries:
            what = "removed" if len(items) < seal.entries else "added"
            raise Wrong(seal.minute, f"entries were {what}: {seal.entries} were sealed, {len(items)} are there")
        hashed = rules.MinuteHash(self._scope, seal.minute, seal.number, seal.previous)
        for item in items:
            hashed.add(item)
        if hashed.hex() != seal.hash:
            raise Wrong(seal.minute, "an entry or the seal was edited: they do not fit each other")
        self._minutes += 1
        self._proved += len(items)
        self._last, self._number = seal.hash, seal.number

    def _check_head(self, last_minute: str) -> None:
        head = self._table.get(audit_keys.last_seal(self._scope)) or {"hash": "", "number": 0, "minute": last_minute}
        if (head.get("hash"), head.get("number")) == (self._last, self._number):
            return
        minute = str(head.get("minute"))
        newer = self._table.get(audit_keys.seal(self._scope, minute)) if minute > last_minute else None
        # A service that runs may have sealed on, meanwhile.
        if newer is None or newer["hash"] != head.get("hash"):
            raise Wrong(minute, "the last seals were removed, or the mark of the last one was changed")

    def _expect_note(self, minute: str) -> None:
        """Behind the last seal: the minute is still to be sealed, or was meanwhile, or it never was written by us."""
        noted = self._table.get(audit_keys.unsealed(self._scope, minute)) or self._table.get(
            audit_keys.seal(self._scope, minute)
        )
        if noted is None and minute <= rules.last_to_seal(self._now):
            raise Wrong(minute, "entries were added, or their seal was removed: nothing is to seal this minute")

    def _by_minute(self, since: datetime) -> Iterator[tuple[str, list[Item]]]:
        """Ascending. Raises Wrong on an entry that does not lie where its id puts it."""
        minute, items = "", list[Item]()
        day = since.replace(hour=0, minute=0, second=0, microsecond=0)
        while day <= self._now + _DAY:
            name = f"{day:%Y-%m-%d}"
            for item in store.partition(self._table, audit_keys.audit_day(self._scope, name)):
                lies_in = _minute_of(item, name)
                if lies_in != minute and minute:
                    yield minute, items
                    items = []
                minute = lies_in
                items.append(item)
            day += _DAY
        if minute:
            yield minute, items


def _minute_of(item: Item, day: str) -> str:
    own_id = str(item["sk"]).removeprefix(_PREFIX)
    ours = str(item["sk"]).startswith(_PREFIX) and is_id(own_id) and rules.day_of(own_id) == day
    if not ours:
        raise Wrong(f"{day}T00:00", f"an entry was added to this day whose id is none of its: {own_id[:40]}")
    return rules.minute_of(moment_of(own_id))
