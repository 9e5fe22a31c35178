"""What `ports.table` promises of queries, on every adapter."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.kernel.errors import Invalid
from chalicelib.ports.table import PAGE_LIMIT_BYTES, Item, Key, Table, Update


def sks(items: tuple[Item, ...]) -> list[str]:
    return [item["sk"] for item in items]


def everything(table: Table, pk: str, **asked: Any) -> list[str]:
    """The sks of all pages."""
    found: list[str] = []
    cursor = None
    while True:
        page = table.query(pk, cursor=cursor, **asked)
        found += sks(page.items)
        cursor = page.next
        if cursor is None:
            return found


@pytest.fixture
def filled(table: Table) -> Table:
    """Partition P holds a0 … a9, b, B, é, 🐋 and two at the borders of Unicode; Q holds a0."""
    table.put_many([{"pk": "P", "sk": name} for name in ORDERED])
    table.put({"pk": "Q", "sk": "a0"})
    return table


ORDERED = ["B", *(f"a{n}" for n in range(10)), "b", "é", "\ud7ff+", "\U0001f40b", "\U0010ffff+"]


def test_a_partition_is_read_in_the_order_of_its_bytes(filled: Table) -> None:
    assert sks(filled.query("P").items) == ORDERED
    assert sks(filled.query("P", descending=True).items) == ORDERED[::-1]
    assert filled.query("R").items == ()
    assert filled.query("R").next is None


QUESTIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({"prefix": "a"}, ORDERED[1:11]),
    ({"prefix": "a", "descending": True}, ORDERED[10:0:-1]),
    ({"prefix": "a3"}, ["a3"]),
    ({"prefix": "c"}, []),
    ({"prefix": "\U0001f40b"}, ["\U0001f40b"]),
    ({"prefix": "\ud7ff"}, ["\ud7ff+"]),
    ({"prefix": "\U0010ffff"}, ["\U0010ffff+"]),
    ({"after": "a3"}, ORDERED[5:]),
    ({"after": "a33"}, ORDERED[5:]),
    ({"after": "a3", "descending": True}, ["a2", "a1", "a0", "B"]),
    ({"until": "a1"}, ["B", "a0", "a1"]),
    ({"after": "a0", "until": "a2"}, ["a1", "a2"]),
    ({"after": "a2", "until": "a0"}, []),
    ({"prefix": "a", "after": "a7"}, ["a8", "a9"]),
    ({"prefix": "a", "after": "B"}, ORDERED[1:11]),
    ({"prefix": "a", "after": "b"}, []),
    ({"prefix": "a", "after": "b", "descending": True}, ORDERED[10:0:-1]),
    ({"prefix": "a", "after": "a1", "descending": True}, ["a0"]),
]


@pytest.mark.parametrize(("asked", "expected"), QUESTIONS, ids=[str(question[0]) for question in QUESTIONS])
@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_bounds_hold_on_every_page(filled: Table, asked: dict[str, Any], expected: list[str], limit: int) -> None:
    assert everything(filled, "P", limit=limit, **asked) == expected


def test_a_full_last_page_has_no_next(filled: Table) -> None:
    page = filled.query("P", prefix="a", limit=10)

    assert len(page.items) == 10
    assert page.next is None


def test_a_page_ends_at_a_megabyte(table: Table) -> None:
    table.put_many([{"pk": "P", "sk": f"{n}", "body": b"x" * 300_000} for n in range(8)])

    page = table.query("P")

    assert 1 <= len(page.items) <= PAGE_LIMIT_BYTES // 300_000 + 1
    assert page.next is not None
    assert everything(table, "P") == [str(n) for n in range(8)]


def test_a_cursor_survives_changes_before_and_after_it(filled: Table) -> None:
    page = filled.query("P", limit=4)
    filled.delete(Key("P", page.items[-1]["sk"]))
    filled.put({"pk": "P", "sk": "A"})
    filled.put({"pk": "P", "sk": "a25"})

    assert sks(filled.query("P", cursor=page.next, limit=2).items) == ["a25", "a3"]


def test_cursors_of_other_queries_and_other_people_are_invalid(filled: Table) -> None:
    filled.update(Update(Key("P", "b"), set={"i1pk": "P", "i1sk": "x"}))
    filled.update(Update(Key("P", "B"), set={"i1pk": "P", "i1sk": "y"}))
    own = filled.query("P", limit=1).next
    of_index = filled.query("P", index="i1", limit=1).next
    assert own and of_index

    for cursor in ("", "x", "====", "é", own[:-2], own + "AAAA", of_index):
        with pytest.raises(Invalid):
            filled.query("P", cursor=cursor)
    for asked in ({"index": "i1"}, {"descending": True}, {"prefix": "a"}):
        with pytest.raises(Invalid):
            filled.query("P", cursor=own, **asked)
    with pytest.raises(Invalid):
        filled.query("Q", cursor=own)


def test_limits_and_combinations_out_of_contract_are_refused(filled: Table) -> None:
    for asked in ({"limit": 0}, {"limit": 1001}, {"until": "a", "prefix": "a"}, {"until": "a", "descending": True}):
        with pytest.raises(ValueError):
            filled.query("P", **asked)
    with pytest.raises(ValueError):
        filled.query("")


@pytest.mark.parametrize("index", ["i1", "i2"])
def test_an_index_orders_by_its_own_key(table: Table, index: Any) -> None:
    for sk, place in (("c", "1"), ("a", "3"), ("b", "2")):
        table.put({"pk": "P", "sk": sk, f"{index}pk": "X", f"{index}sk": place, "body": sk * 3})
    table.put({"pk": "P", "sk": "d"})
    table.put({"pk": "P", "sk": "e", f"{index}pk": "Y", f"{index}sk": "1"})

    assert everything(table, "X", index=index, limit=1) == ["c", "b", "a"]
    assert everything(table, "X", index=index, limit=1, descending=True) == ["a", "b", "c"]
    assert everything(table, "X", index=index, after="1") == ["b", "a"]
    assert everything(table, "X", index=index, until="2") == ["c", "b"]
    assert table.query("X", index=index, limit=1).items[0]["body"] == "ccc"
    assert table.query("P", index=index).items == ()


def test_pages_of_an_index_lose_nothing_among_equal_keys(table: Table) -> None:
    """Ties are in the order of the adapter, but every item comes once, whatever the page's size."""
    items = [{"pk": f"P{n % 2}", "sk": f"S{n}", "i1pk": "X", "i1sk": "same"} for n in range(9)]
    table.put_many(items)

    for descending in (False, True):
        found = everything(table, "X", index="i1", limit=2, descending=descending)
        assert sorted(found) == [f"S{n}" for n in range(9)]


def test_an_item_leaves_an_index_with_its_attributes(table: Table) -> None:
    for sk in ("a", "b", "c"):
        table.put({"pk": "P", "sk": sk, "i1pk": "X", "i1sk": sk, "i2pk": "X", "i2sk": sk})

    table.update(Update(Key("P", "a"), remove=("i1pk", "i1sk")))
    table.update(Update(Key("P", "b"), set={"i1pk": "Y"}))
    table.delete(Key("P", "c"))

    assert everything(table, "X", index="i1") == []
    assert everything(table, "Y", index="i1") == ["b"]
    assert everything(table, "X", index="i2") == ["a", "b"]


def test_half_a_place_in_an_index_is_none(table: Table) -> None:
    table.put({"pk": "P", "sk": "a", "i1pk": "X"})
    table.put({"pk": "P", "sk": "b", "i1sk": "X"})

    assert everything(table, "X", index="i1") == []


def test_expired_items_are_not_hidden(table: Table) -> None:
    """The store may drop them some day; nobody relies on it, so nobody may be fooled by it."""
    table.put({"pk": "P", "sk": "S", "expires": 1})

    assert table.get(Key("P", "S")) is not None
    assert everything(table, "P") == ["S"]
