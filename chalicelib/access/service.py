"""The door of the room: who gets in by address, and the allowlist that says so (G2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chalicelib.edge.address import parse_address
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import (
    AddressNotAllowed,
    ConfirmationRequired,
    Conflict,
    EditionRequired,
    Invalid,
    NotFound,
    Unavailable,
)
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.memory import Knowledge
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Write

from . import store
from .models import LONGEST_REMARK, Allowlist, AllowlistQuery, Entry, Standing
from .rules import Networks, by_age, by_network, parse_cidr

# All are one item of 400 KiB at most, and one with a remark of the widest characters takes 930 bytes of it.
MOST_ENTRIES: Final = 400
# What confirms that the last entry is to go.
OPEN_TO_EVERYONE: Final = "open-to-everyone"
# What a new enterprise instance starts with (G2).
_FIRST_CIDR: Final = "127.0.0.1/32"
# How often an edit is tried again after somebody else's.
_ATTEMPTS: Final = 8


class Access:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def admit(self, instance: Instance, address: str, internal: bool) -> None:
        """Lets a request in, or raises AddressNotAllowed.

        address    the client's, as `edge.address` tells it
        internal   whether it came in on the internal listener, which is not restricted
        """
        if internal:
            return
        parsed = parse_address(address)
        networks = self._networks(instance.id)
        if not networks.everybody and not networks.holds(parsed):
            raise AddressNotAllowed(str(parsed))

    def knowledge(self, instance_id: str) -> Knowledge[Networks]:
        """What `admit` asks of memory."""
        key = keys.allowlist(instance_id)
        return Knowledge(
            ("allowlist", instance_id), (key,), lambda found: Networks.of(store.read(found.get(key)).entries)
        )

    def check(self, instance: Instance, address: str) -> bool:
        """Whether a request from there would be let in at the public address."""
        try:
            self.admit(instance, address, internal=False)
        except AddressNotAllowed:
            return False
        return True

    def restricted(self, instance: Instance) -> bool:
        """Whether the instance has an allowlist at all: where it has, links that carry rights away are not given."""
        return not self._networks(instance.id).everybody

    def opening(self, instance: Instance) -> list[Write]:
        """What a new instance's transaction holds for this room."""
        if instance.edition != "enterprise":
            return []
        entry = Entry(id=new_id(), cidr=_FIRST_CIDR, remark="this machine", created_at=self._stack.clock.now())
        return [store.replacement(instance.id, Allowlist(), Allowlist(entries=(entry,), version=1))]

    def entries(self, instance: Instance) -> tuple[Entry, ...]:
        return store.load(self._stack.table, instance.id).entries

    def entry(self, instance: Instance, entry_id: str) -> Entry:
        """Raises NotFound."""
        found = [entry for entry in self.entries(instance) if entry.id == entry_id]
        if not found:
            raise _missing()
        return found[0]

    def page(self, instance: Instance, asked: AllowlistQuery) -> tuple[Page[Entry], int]:
        """Entries whose network or remark holds the text, and how many there are. cursor: the last one's id.

        Raises Invalid naming `cursor`, also where its entry is gone.
        """
        told, descending = asked.search.casefold(), asked.sort.startswith("-")
        found = [one for one in self.entries(instance) if told in one.cidr or told in one.remark.casefold()]
        found.sort(key=by_network if asked.sort.endswith("cidr") else by_age, reverse=descending)
        begin = 0
        if asked.cursor is not None:
            places = [at for at, entry in enumerate(found) if entry.id == asked.cursor]
            if not places:
                raise Invalid("cursor", "is not a cursor of this list, or its entry is gone; start again without it")
            begin = places[0] + 1
        shown = found[begin : begin + asked.limit]
        further = len(found) > begin + asked.limit
        return Page(tuple(shown), shown[-1].id if further else None), len(found)

    def standing(self, instance: Instance, address: str, *, adding: str = "", without: str = "") -> Standing | None:
        """Whether a request from there would be let in, and by which entry, as the table has it. None: no address.

        adding, without: a network and an entry's id, for how it would be after a change. Raises Invalid naming `cidr`.
        """
        try:
            parsed = parse_address(address)
        except AddressNotAllowed:
            return None
        entries = [entry for entry in self.entries(instance) if entry.id != without]
        if adding:
            entries.append(Entry(id="", cidr=parse_cidr(adding), created_at=self._stack.clock.now()))
        holding = [entry for entry in entries if Networks.of([entry]).holds(parsed)]
        narrowest = max(holding, key=lambda entry: int(entry.cidr.rpartition("/")[2]), default=None)
        return Standing(address=str(parsed), allowed=not entries or narrowest is not None, entry=narrowest)

    def add(self, instance: Instance, cidr: str, remark: str = "") -> Entry:
        """Raises Invalid (`cidr`, `remark`), Conflict if it is there already, EditionRequired."""
        _require_enterprise(instance)
        if len(remark) > LONGEST_REMARK:
            raise Invalid("remark", f"a remark has at most {LONGEST_REMARK} characters")
        entry = Entry(id=new_id(), cidr=parse_cidr(cidr), remark=remark, created_at=self._stack.clock.now())

        def added(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
            if any(other.cidr == entry.cidr for other in entries):
                raise Conflict(f"{entry.cidr} is on the allowlist already", cidr=entry.cidr)
            if len(entries) >= MOST_ENTRIES:
                raise Invalid("cidr", f"an allowlist has at most {MOST_ENTRIES} entries")
            return (*entries, entry)

        self._change(instance, added)
        return entry

    def remove(self, instance: Instance, entry_id: str, *, open_to_everyone: bool = False) -> Entry:
        """The entry that is gone.

        Raises NotFound, and ConfirmationRequired for the last entry unless opening the instance is meant.
        """
        _require_enterprise(instance)
        gone = self.entry(instance, entry_id)

        def removed(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
            left = tuple(entry for entry in entries if entry.id != entry_id)
            if len(left) == len(entries):
                raise _missing()
            if not left and not open_to_everyone:
                raise ConfirmationRequired(
                    f"this is the last entry: without it everybody with credentials gets in from anywhere; "
                    f"add ?confirm={OPEN_TO_EVERYONE} if that is meant",
                    confirm=OPEN_TO_EVERYONE,
                )
            return left

        self._change(instance, removed)
        return gone

    def _networks(self, instance_id: str) -> Networks:
        return self._stack.memory.know(self.knowledge(instance_id))

    def _change(self, instance: Instance, change: Callable[[tuple[Entry, ...]], tuple[Entry, ...]]) -> None:
        for _ in range(_ATTEMPTS):
            seen = store.load(self._stack.table, instance.id)
            wanted = Allowlist(entries=change(seen.entries), version=seen.version + 1)
            write = store.replacement(instance.id, seen, wanted)
            try:
                self._stack.table.put(write.item, write.when)
            except ConditionFailed:
                continue
            return
        raise Unavailable("the allowlist is being edited by others; try again")


def _missing() -> NotFound:
    return NotFound("there is no such entry on the allowlist")


def _require_enterprise(instance: Instance) -> None:
    if instance.edition != "enterprise":
        raise EditionRequired("allowlist")
