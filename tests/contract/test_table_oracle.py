"""The table against a dictionary: whatever is written in whatever order, both hold the same."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as some
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chalicelib.ports.embedded.table import SqliteTable
from chalicelib.ports.table import (
    Condition,
    ConditionFailed,
    Delete,
    Key,
    Put,
    TransactionCancelled,
    Update,
    absent,
    at_least,
    equals,
    present,
)

NAMES = ["a", "ab", "b", "é", "\U0001f40b"]
keys = some.builds(Key, some.sampled_from(["P", "Q"]), some.sampled_from(NAMES))
contents = some.fixed_dictionaries(
    {"n": some.integers(-3, 3)},
    optional={"i1pk": some.sampled_from(["X", "Y"]), "i1sk": some.sampled_from(NAMES), "t": some.text(max_size=3)},
)
conditions = some.one_of(
    some.none(),
    some.sampled_from([absent(), present(), absent("t"), present("t")]),
    some.builds(equals, some.just("n"), some.integers(-3, 3)),
    some.builds(at_least, some.just("n"), some.integers(-3, 3)),
)
puts = some.builds(
    lambda key, content, when: Put({"pk": key.pk, "sk": key.sk, **content}, when), keys, contents, conditions
)
updates = some.builds(
    lambda key, text, amount, gone, when: Update(key, set=text, add={"n": amount}, remove=gone, when=when),
    keys,
    some.one_of(some.just({}), some.fixed_dictionaries({"t": some.text(max_size=3)})),
    some.integers(-2, 2),
    some.sampled_from([(), ("i1pk",), ("i1sk", "unknown")]),
    conditions,
)
deletes = some.builds(Delete, keys, conditions)
transactions = some.lists(some.one_of(puts, updates, deletes), min_size=1, max_size=4, unique_by=lambda one: one.key)


def allowed(condition: Condition | None, item: dict[str, Any] | None) -> bool:
    """What these conditions mean, said once more in the plainest way."""
    if condition is None:
        return True
    value = (item or {}).get(condition.name)
    meanings: dict[str, bool] = {
        "absent": value is None,
        "present": value is not None,
        "equals": bool(value == condition.value),
        "at_least": isinstance(value, int) and bool(value >= condition.value),
    }
    return meanings[condition.operator]


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.table = SqliteTable(Path(self.folder.name) / "table.sqlite3")
        self.held: dict[Key, dict[str, Any]] = {}

    def apply(self, write: Put | Update | Delete) -> None:
        if isinstance(write, Put):
            self.held[write.key] = dict(write.item)
        elif isinstance(write, Delete):
            self.held.pop(write.key, None)
        else:
            item = self.held.setdefault(write.key, {"pk": write.key.pk, "sk": write.key.sk})
            item.update(write.set)
            item["n"] = item.get("n", 0) + write.add["n"]
            for name in write.remove:
                item.pop(name, None)

    def carry_out(self, write: Put | Update | Delete, relaxed: bool) -> None:
        if isinstance(write, Put):
            self.table.put(write.item, write.when, relaxed=relaxed)
        elif isinstance(write, Update):
            self.table.update(write, relaxed=relaxed)
        else:
            self.table.delete(write.key, write.when, relaxed=relaxed)

    @rule(write=some.one_of(puts, updates, deletes), relaxed=some.booleans())
    def write_one(self, write: Put | Update | Delete, relaxed: bool) -> None:
        before = self.held.get(write.key)
        if allowed(write.when, before):
            self.carry_out(write, relaxed)
            self.apply(write)
        else:
            with pytest.raises(ConditionFailed) as failed:
                self.carry_out(write, relaxed)
            assert failed.value.item == before

    @rule(writes=transactions)
    def write_some(self, writes: list[Put | Update | Delete]) -> None:
        refused = {n for n, write in enumerate(writes) if not allowed(write.when, self.held.get(write.key))}
        if refused:
            with pytest.raises(TransactionCancelled) as cancelled:
                self.table.transact(writes)
            assert cancelled.value.failed == {n: self.held.get(writes[n].key) for n in refused}
            return
        self.table.transact(writes)
        for write in writes:
            self.apply(write)

    @rule()
    def open_again(self) -> None:
        self.table.close()
        self.table = SqliteTable(Path(self.folder.name) / "table.sqlite3")

    @rule(
        pk=some.sampled_from(["P", "Q"]),
        prefix=some.sampled_from(["", "a"]),
        after=some.one_of(some.none(), some.sampled_from(NAMES)),
        limit=some.integers(1, 3),
        descending=some.booleans(),
    )
    def ask(self, pk: str, prefix: str, after: str | None, limit: int, descending: bool) -> None:
        wanted = [item for key, item in sorted(self.held.items()) if key.pk == pk and key.sk.startswith(prefix)]
        if descending:
            wanted.reverse()
        if after is not None:
            wanted = [item for item in wanted if (item["sk"] < after if descending else item["sk"] > after)]
        found: list[Any] = []
        cursor = None
        while cursor is not None or not found:
            page = self.table.query(pk, prefix=prefix, after=after, limit=limit, descending=descending, cursor=cursor)
            found += page.items
            cursor = page.next
            if cursor is None:
                break
        assert found == wanted

    @invariant()
    def both_hold_the_same(self) -> None:
        assert self.table.get_many([Key(pk, sk) for pk in "PQ" for sk in NAMES]) == self.held
        for pk in ("X", "Y"):
            placed = [item for item in self.held.values() if item.get("i1pk") == pk and "i1sk" in item]
            placed.sort(key=lambda item: (item["i1sk"], item["pk"], item["sk"]))
            assert list(self.table.query(pk, index="i1").items) == placed

    def teardown(self) -> None:
        self.table.close()
        self.folder.cleanup()


Machine.TestCase.settings = settings(max_examples=15, stateful_step_count=25)
TestTableAgainstADictionary = Machine.TestCase
