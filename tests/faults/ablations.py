"""The registry with one of its mechanisms taken away: by a table that forgets a condition, a write or an order, or by
rooms that do one step otherwise. Each loses or leaks something in some schedule; `test_ablations.py` shows one."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from chalicelib.kernel.paging import Page
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    Condition,
    Delete,
    Item,
    Key,
    Put,
    Table,
    Update,
    Write,
    all_of,
)
from chalicelib.registry.arriving import Arriving
from chalicelib.registry.blobs import Blobs
from chalicelib.registry.burial import Burial
from chalicelib.registry.intents import Intents
from chalicelib.registry.manifests import Manifests
from chalicelib.registry.service import Registry, Upkeep

from .deeds import Rooms

Change = Callable[[Write], Write | None]


class Forgetful:
    """A table that changes every write, or leaves it out, before it takes effect."""

    def __init__(self, table: Table, change: Change) -> None:
        self._table = table
        self._change = change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def put(self, item: Item, when: Condition | None = None, *, relaxed: bool = False) -> None:
        write = self._change(Put(item, when))
        if isinstance(write, Put):
            self._table.put(write.item, write.when, relaxed=relaxed)

    def put_many(self, items: Sequence[Item], *, relaxed: bool = False) -> None:
        writes = [self._change(Put(item)) for item in items]
        self._table.put_many([write.item for write in writes if isinstance(write, Put)], relaxed=relaxed)

    def update(self, change: Update, *, relaxed: bool = False) -> Item:
        return self._table.update(cast(Update, self._change(change)), relaxed=relaxed)

    def delete(self, key: Key, when: Condition | None = None, *, relaxed: bool = False) -> None:
        write = self._change(Delete(key, when))
        if isinstance(write, Delete):
            self._table.delete(write.key, write.when, relaxed=relaxed)

    def transact(self, writes: Sequence[Write], *, relaxed: bool = False) -> None:
        changed = [self._change(write) for write in writes]
        self._table.transact([write for write in changed if write is not None], relaxed=relaxed)


class Late(Forgetful):
    """A table that keeps some puts back until its thread makes a certain other write."""

    def __init__(self, table: Table, late: Callable[[Item], bool], until: Callable[[Write], bool]) -> None:
        super().__init__(table, self._consider)
        self._late = late
        self._until = until
        self._kept: dict[int, list[Item]] = defaultdict(list)

    def _consider(self, write: Write) -> Write | None:
        mine = threading.get_ident()
        if isinstance(write, Put) and self._late(write.item):
            self._kept[mine].append(write.item)
            return None
        if self._until(write):
            for item in self._kept.pop(mine, []):
                self._table.put(item)
        return write


class Stale(Forgetful):
    """A table whose reads of some rows do not see the last few writes."""

    def __init__(self, table: Table, kind: str, writes_behind: int = 4) -> None:
        super().__init__(table, self._note)
        self._kind = kind
        self._behind = writes_behind
        self._written = 0
        self._fresh: dict[Key, tuple[int, Item | None]] = {}

    def _note(self, write: Write) -> Write:
        self._written += 1
        if write.key.sk.startswith(self._kind):
            self._fresh[write.key] = (self._written, self._table.get(write.key))
        return write

    def _is_fresh(self, key: Key) -> bool:
        return key in self._fresh and self._written - self._fresh[key][0] < self._behind

    def query(self, pk: str, **asked: Any) -> Page[Item]:
        page = self._table.query(pk, **asked)
        old = [item for item in page.items if not self._is_fresh(Key(item["pk"], item["sk"]))]
        return Page(tuple(old), page.next)

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        found = self._table.get_many(keys)
        for key in keys:
            before = self._fresh[key][1] if self._is_fresh(key) else None
            if before is not None:
                found[key] = before
        return found


class BlindToIndexes(Forgetful):
    """A table that shows nobody who asks for them which indexes hold a manifest."""

    def __init__(self, table: Table) -> None:
        super().__init__(table, lambda write: write)

    def query(self, pk: str, **asked: Any) -> Page[Item]:
        if str(asked.get("prefix", "")).endswith("#INDEX#"):
            return Page(())
        return self._table.query(pk, **asked)


class OneEdgePerManifest(Forgetful):
    """A table in which the edges of all incarnations of a manifest are one."""

    def __init__(self, table: Table) -> None:
        super().__init__(table, self._renamed)
        self._manifests: dict[str, str] = {}

    def _renamed(self, write: Write) -> Write:
        if isinstance(write, Put) and write.item.get("kind") == "MANIFEST" and write.key.sk.startswith("EDGE#"):
            self._manifests[write.item["owner"]] = write.item["manifest"]
            return Put({**write.item, "sk": self._name(write.key.sk)}, write.when)
        if isinstance(write, Delete) and write.key.sk.startswith("EDGE#"):
            return Delete(Key(write.key.pk, self._name(write.key.sk)), write.when)
        return write

    def get(self, key: Key) -> Item | None:
        return self._table.get(Key(key.pk, self._name(key.sk)) if key.sk.startswith("EDGE#") else key)

    def _name(self, sk: str) -> str:
        path, _, owner = sk.rpartition("#")
        return f"{path}#{self._manifests.get(owner, owner)}"


def on_table(make: Callable[[Table], object]) -> Rooms:
    return Rooms(stack=lambda stack: replace(stack, table=cast(Table, make(stack.table))))


def changing(change: Change) -> Rooms:
    return on_table(lambda table: Forgetful(table, change))


def unconditional(of: type[Put] | type[Update] | type[Delete], kind: str, *names: str) -> Rooms:
    """Conditions on these attributes (none named: all) are not asked in such writes of rows of this kind."""

    def change(write: Write) -> Write:
        if not isinstance(write, of) or not write.key.sk.startswith(kind) or write.when is None:
            return write
        return replace(write, when=_without(write.when, names) if names else None)

    return changing(change)


def _without(condition: Condition, names: Sequence[str]) -> Condition | None:
    if condition.parts:
        parts = [part for part in (_without(part, names) for part in condition.parts) if part is not None]
        return all_of(*parts) if parts else None
    return None if condition.name in names and condition.operator == "equals" else condition


def leaving_out(kind: str, sk_part: str = "") -> Rooms:
    """Rows of this kind are never put."""

    def change(write: Write) -> Write | None:
        gone = isinstance(write, Put) and write.key.sk.startswith(kind) and sk_part in write.key.sk
        return None if gone else write

    return changing(change)


def updating(wanted: Callable[[Update], bool], change: Callable[[Update], Update]) -> Rooms:
    def changed(write: Write) -> Write:
        return change(write) if isinstance(write, Update) and wanted(write) else write

    return changing(changed)


def of_manifest(update: Update) -> bool:
    return update.key.sk.startswith("MANIFEST#")


def rebuilt(replaced: Mapping[type, Callable[[Stack], Any]]) -> Rooms:
    """All rooms as they are, but with other ones in the place of some."""

    def make(room: type) -> Callable[[Stack], Any]:
        return lambda stack: _with(replaced.get(room, room)(stack), stack, replaced)

    return Rooms(make(Registry), make(Upkeep), make(Blobs), make(Intents))


def _with(room: Any, stack: Stack, replaced: Mapping[type, Callable[[Stack], Any]]) -> Any:
    for name, value in list(vars(room).items()):
        if type(value) in (Arriving, Blobs, Intents, Manifests, Burial):
            setattr(room, name, _with(replaced.get(type(value), type(value))(stack), stack, replaced))
    return room
