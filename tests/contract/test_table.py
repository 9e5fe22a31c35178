"""What `ports.table` promises of single items, conditions and transactions, on every adapter."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.ports.table import (
    ITEM_LIMIT_BYTES,
    PK_LIMIT_BYTES,
    SK_LIMIT_BYTES,
    Check,
    Condition,
    ConditionFailed,
    Delete,
    Key,
    Put,
    Table,
    TransactionCancelled,
    Update,
    Write,
    absent,
    all_of,
    any_of,
    at_least,
    at_most,
    equals,
    present,
)

KEY = Key("P", "S")
VALUES: dict[str, Any] = {
    "text": "grüße \u0000 \U0001f40b",
    "empty": "",
    "number": -(2**63),
    "large": 2**63 - 1,
    "yes": True,
    "no": False,
    "bytes": b"\x00\xff",
    "nothing": None,
    "list": [1, "a", [None, {}], b""],
    "mapping": {"a": {"b": [True, 1]}, "c": []},
}


def test_an_item_comes_back_as_it_was_put(table: Table) -> None:
    table.put({"pk": "P", "sk": "S", **VALUES})

    item = table.get(KEY)

    assert item == {"pk": "P", "sk": "S", **VALUES}
    assert item["yes"] is True
    assert type(item["number"]) is int
    assert type(item["mapping"]["a"]["b"][1]) is int


def test_a_missing_item_is_none(table: Table) -> None:
    table.put({"pk": "P", "sk": "T"})

    assert table.get(KEY) is None


def test_a_put_replaces_the_whole_item(table: Table) -> None:
    table.put({"pk": "P", "sk": "S", "a": 1})
    table.put({"pk": "P", "sk": "S", "b": 2})

    assert table.get(KEY) == {"pk": "P", "sk": "S", "b": 2}


def test_many_items_are_read_at_once_with_doubles_and_gaps(table: Table) -> None:
    items: list[dict[str, Any]] = [{"pk": f"P{n % 3}", "sk": f"S{n}", "n": n} for n in range(120)]
    table.put_many(items)

    found = table.get_many([Key(f"P{n % 3}", f"S{n}") for n in [*range(130), 5]])

    assert found == {Key(item["pk"], item["sk"]): item for item in items}
    assert table.get_many([]) == {}


def test_an_update_changes_only_what_it_names(table: Table) -> None:
    table.put({"pk": "P", "sk": "S", "kept": 1, "count": 5, "old": "x", "set": "before"})

    after = table.update(Update(KEY, set={"set": "after"}, add={"count": -2, "new": 3}, remove=("old", "never")))

    assert after == {"pk": "P", "sk": "S", "kept": 1, "count": 3, "set": "after", "new": 3}
    assert table.get(KEY) == after


def test_an_update_makes_an_absent_item(table: Table) -> None:
    assert table.update(Update(KEY, add={"count": 1})) == {"pk": "P", "sk": "S", "count": 1}
    assert table.update(Update(Key("P", "T"))) == {"pk": "P", "sk": "T"}


def test_deleting_removes_the_item_and_is_harmless_without_one(table: Table) -> None:
    table.put({"pk": "P", "sk": "S"})

    table.delete(KEY)
    table.delete(KEY)

    assert table.get(KEY) is None


STANDING = {"pk": "P", "sk": "S", "n": 5, "s": "m", "yes": True, "one": 1, "list": [1], "nothing": None}
HOLD = [
    present(),
    present("n"),
    present("nothing"),
    absent("other"),
    equals("n", 5),
    equals("s", "m"),
    equals("yes", True),
    equals("list", [1]),
    equals("nothing", None),
    at_least("n", 5),
    at_most("n", 5),
    at_least("n", -1),
    at_least("s", "a"),
    at_most("s", "m"),
    all_of(present(), equals("n", 5)),
    any_of(absent(), equals("n", 5)),
    any_of(equals("n", 1), all_of(at_least("n", 5), at_most("n", 6))),
]
FAIL = [
    absent(),
    absent("n"),
    present("other"),
    equals("n", 6),
    equals("n", "5"),
    equals("other", None),
    equals("yes", 1),
    equals("one", True),
    equals("list", [True]),
    at_least("n", 6),
    at_most("n", 4),
    at_least("other", 0),
    at_most("other", 9),
    at_least("s", 0),
    at_most("n", "z"),
    all_of(present(), equals("n", 6)),
    any_of(absent(), equals("n", 6)),
]


@pytest.mark.parametrize("condition", HOLD, ids=str)
def test_a_write_whose_condition_holds_takes_effect(table: Table, condition: Condition) -> None:
    table.put(STANDING)

    table.update(Update(KEY, set={"written": 1}, when=condition))
    table.put({"pk": "P", "sk": "S", "replaced": 1}, equals("written", 1))
    table.delete(KEY, equals("replaced", 1))

    assert table.get(KEY) is None


@pytest.mark.parametrize("condition", FAIL, ids=str)
def test_a_write_whose_condition_fails_says_what_stands_there(table: Table, condition: Condition) -> None:
    table.put(STANDING)

    for write in (
        lambda: table.put({"pk": "P", "sk": "S"}, condition),
        lambda: table.update(Update(KEY, set={"written": 1}, when=condition)),
        lambda: table.delete(KEY, condition),
    ):
        with pytest.raises(ConditionFailed) as failed:
            write()
        assert failed.value.item == STANDING
    assert table.get(KEY) == STANDING


def test_conditions_on_an_absent_item_fail_unless_they_ask_for_absence(table: Table) -> None:
    for condition in (present(), equals("n", None), at_least("n", 0), at_most("n", 0)):
        with pytest.raises(ConditionFailed) as failed:
            table.update(Update(KEY, add={"n": 1}, when=condition))
        assert failed.value.item is None
    with pytest.raises(ConditionFailed):
        table.delete(KEY, present())

    table.put({"pk": "P", "sk": "S"}, absent())

    assert table.get(KEY) == {"pk": "P", "sk": "S"}


def test_a_transaction_writes_everything(table: Table) -> None:
    table.put_many([{"pk": "P", "sk": sk, "n": 1} for sk in ("checked", "deleted", "updated")])

    table.transact(
        [
            Check(Key("P", "checked"), equals("n", 1)),
            Delete(Key("P", "deleted"), present()),
            Update(Key("P", "updated"), add={"n": 1}, when=at_most("n", 1)),
            Put({"pk": "Q", "sk": "put"}, absent()),
        ]
    )

    assert table.get(Key("P", "checked")) == {"pk": "P", "sk": "checked", "n": 1}
    assert table.get(Key("P", "deleted")) is None
    assert table.get(Key("P", "updated")) == {"pk": "P", "sk": "updated", "n": 2}
    assert table.get(Key("Q", "put")) == {"pk": "Q", "sk": "put"}


def test_a_cancelled_transaction_writes_nothing_and_names_every_failure(table: Table) -> None:
    standing = {"pk": "P", "sk": "there", "n": 1}
    table.put(standing)

    with pytest.raises(TransactionCancelled) as cancelled:
        table.transact(
            [
                Put({"pk": "P", "sk": "new"}, absent()),
                Put({"pk": "P", "sk": "there"}, absent()),
                Check(Key("P", "missing"), present()),
            ]
        )

    assert cancelled.value.failed == {1: standing, 2: None}
    assert table.get(Key("P", "new")) is None
    assert table.get(Key("P", "there")) == standing


def test_a_transaction_takes_a_hundred_writes_and_no_more(table: Table) -> None:
    writes = [Put({"pk": "P", "sk": f"{n:03}"}) for n in range(101)]

    table.transact(writes[:100])

    assert len(table.query("P", limit=1000).items) == 100
    for refused in (writes, []):
        with pytest.raises(ValueError):
            table.transact(refused)


@pytest.mark.parametrize(
    "second",
    [Put({"pk": "P", "sk": "S"}), Update(KEY), Delete(KEY), Check(KEY, present())],
    ids=lambda w: type(w).__name__,
)
def test_a_transaction_names_an_item_once(table: Table, second: Write) -> None:
    with pytest.raises(ValueError):
        table.transact([Put({"pk": "P", "sk": "S", "n": 1}), second])

    assert table.get(KEY) is None


def test_put_many_refuses_one_item_twice(table: Table) -> None:
    with pytest.raises(ValueError):
        table.put_many([{"pk": "P", "sk": "S"}, {"pk": "P", "sk": "S", "n": 1}])


REFUSED: dict[str, dict[str, Any]] = {
    "empty pk": {"pk": "", "sk": "S"},
    "empty sk": {"pk": "P", "sk": ""},
    "no sk": {"pk": "P"},
    "number as pk": {"pk": 1, "sk": "S"},
    "long pk": {"pk": "x" * (PK_LIMIT_BYTES + 1), "sk": "S"},
    "long sk": {"pk": "P", "sk": "ü" * (SK_LIMIT_BYTES // 2 + 1)},
    "empty index key": {"pk": "P", "sk": "S", "i1pk": "", "i1sk": "x"},
    "number as index key": {"pk": "P", "sk": "S", "i2pk": "x", "i2sk": 1},
    "float": {"pk": "P", "sk": "S", "n": 1.0},
    "nested float": {"pk": "P", "sk": "S", "n": [{"a": 0.5}]},
    "set": {"pk": "P", "sk": "S", "n": {1, 2}},
    "39 digits": {"pk": "P", "sk": "S", "n": 10**38},
    "number as name": {"pk": "P", "sk": "S", "n": {1: 2}},
    "too large": {"pk": "P", "sk": "S", "body": b"x" * ITEM_LIMIT_BYTES},
}


@pytest.mark.parametrize("item", REFUSED.values(), ids=REFUSED)
def test_items_out_of_limits_are_refused(table: Table, item: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        table.put(item)
    with pytest.raises(ValueError):
        table.put_many([item])
    with pytest.raises(ValueError):
        table.transact([Put(item)])

    assert table.query("P").items == ()


def test_keys_and_items_up_to_the_limit_are_kept(table: Table) -> None:
    key = Key("p" * PK_LIMIT_BYTES, "s" * SK_LIMIT_BYTES)
    body = b"x" * (ITEM_LIMIT_BYTES - PK_LIMIT_BYTES - SK_LIMIT_BYTES - len("pkskbody"))

    table.put({"pk": key.pk, "sk": key.sk, "body": body})

    found = table.get(key)
    assert found is not None
    assert found["body"] == body


def test_an_update_may_not_grow_an_item_past_the_limit(table: Table) -> None:
    table.put({"pk": "P", "sk": "S", "body": b"x" * (ITEM_LIMIT_BYTES - 100)})

    with pytest.raises(ValueError):
        table.update(Update(KEY, set={"more": "x" * 200}))

    item = table.get(KEY)
    assert item is not None
    assert "more" not in item


BAD_UPDATES = {
    "of the key": Update(KEY, set={"sk": "T"}),
    "naming an attribute twice": Update(KEY, set={"n": 1}, add={"n": 1}),
    "counting text": Update(KEY, add={"text": 1}),
    "of an empty key": Update(Key("", "S"), set={"n": 1}),
}


@pytest.mark.parametrize("change", BAD_UPDATES.values(), ids=BAD_UPDATES)
def test_updates_that_make_no_sense_are_refused(table: Table, change: Update) -> None:
    table.put({"pk": "P", "sk": "S", "text": "x"})

    with pytest.raises(ValueError):
        table.update(change)

    assert table.get(KEY) == {"pk": "P", "sk": "S", "text": "x"}


def test_the_epoch_changes_with_each_write(table: Table) -> None:
    seen = [table.epoch()]
    for write in (
        lambda: table.put({"pk": "P", "sk": "S"}),
        lambda: table.update(Update(KEY, add={"n": 1}), relaxed=True),
        lambda: table.put_many([{"pk": "P", "sk": "T"}]),
        lambda: table.transact([Put({"pk": "P", "sk": "U"})], relaxed=True),
        lambda: table.delete(KEY),
    ):
        write()
        seen.append(table.epoch())

    assert all(epoch not in seen[:position] for position, epoch in enumerate(seen))


def test_relaxed_writes_are_seen_at_once(table: Table) -> None:
    table.put({"pk": "P", "sk": "S", "n": 1}, relaxed=True)
    assert table.get(KEY) == {"pk": "P", "sk": "S", "n": 1}

    table.delete(KEY, relaxed=True)
    assert table.get(KEY) is None
