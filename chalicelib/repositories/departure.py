"""How a repository leaves its name, and comes back. Its content stays under its id: neither moves anything.

live      REPOSITORY#<name> and REPO#<id> point at each other
binned    the name row and the place in the quota are gone; REPO#<id> {state: binned, entry}; the record lies in
          the bin entry, and putting it back is one transaction: it is live again
purging   the entry is gone for good; REPO#<id> {state: purging} is due until nothing is left under the id
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.moment import to_text
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Condition, Delete, Item, Put, Update, Write, absent, all_of, equals

from .models import Repository


class Departure:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._instances = Instances(stack)

    def record(self, repository: Repository) -> Item:
        """All there is to know of it, as the table has it. Raises NotFound, also where another has taken the name."""
        row = self._table.get(keys.repository(repository.instance_id, repository.name))
        if row is None or row["id"] != repository.id:
            raise NotFound("there is no such repository")
        return {name: value for name, value in row.items() if name not in ("pk", "sk")}

    def leave(self, instance: Instance, record: Item, entry: str) -> list[Write]:
        """Writes for somebody's transaction. Position 0 fails if the record has changed since, 1 if it left already."""
        as_seen = all_of(*(equals(name, value) for name, value in sorted(record.items())))
        return [
            Delete(keys.repository(instance.id, record["name"]), as_seen),
            Update(keys.repository_by_id(record["id"]), set={"state": "binned", "entry": entry}, when=absent("state")),
            self._instances.count_change(instance, repositories=-1),
        ]

    def come_back(self, record: Mapping[str, Any], entry: str) -> list[Write]:
        """Writes for somebody's transaction that counts it. Position 0 fails if the name is taken, 1 if it is not in
        that entry any more: back already, or on its way out.

        record   as it left, under the name and in the namespace where it is to stand from now on
        """
        by_name, by_id = keys.repository(record["instance_id"], record["name"]), keys.repository_by_id(record["id"])
        back = Update(by_id, set={"name": record["name"]}, remove=("state", "entry"), when=_binned(entry))
        return [Put({**by_name._asdict(), **record}, absent()), back]

    def is_back(self, record: Mapping[str, Any]) -> bool:
        """Whether it stands under the record's name."""
        pointer = self._table.get(keys.repository_by_id(record["id"]))
        return pointer is not None and not gone(pointer) and pointer["name"] == record["name"]

    def purge(self, repository_id: str, entry: str, moment: datetime) -> Update:
        """A write for somebody's transaction: from now on it cannot come back. Fails if it did, or goes already."""
        due = keys.due("purge", to_text(moment), repository_id)
        change = {"state": "purging", "purged_at": to_text(moment), **due}
        return Update(keys.repository_by_id(repository_id), set=change, when=_binned(entry))


def _binned(entry: str) -> Condition:
    return all_of(equals("state", "binned"), equals("entry", entry))


def gone(pointer: Mapping[str, Any] | None) -> bool:
    """Whether the row of a repository's id says that nothing may come into it."""
    return pointer is None or "state" in pointer
