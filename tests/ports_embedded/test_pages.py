"""Pages of the SQLite table: SQLite seeks to one bound, and passes over what others exclude row by row."""

from __future__ import annotations

import pytest

from chalicelib.ports.embedded.pages import Query

PREFIXED = {"pk": "p", "index": None, "prefix": "TAG#", "until": None, "limit": 10}


def query(after: str | None, *, descending: bool = False) -> Query:
    return Query(**PREFIXED, after=after, descending=descending)  # type: ignore[arg-type]


@pytest.mark.parametrize("descending", [False, True])
def test_a_later_page_begins_at_one_bound(descending: bool) -> None:
    """N4: page 10 000 costs what page 1 does."""
    begins = "sk<" if descending else "sk>"
    after = query("TAG#m", descending=descending)
    assert after.statement(None)[0].count(begins) == 1
    first = query(None, descending=descending)
    cursor = first.cursor({"sk": "TAG#m"})
    sql, values = first.statement(cursor)
    assert sql.count(begins) + sql.count("(sk)" + begins[-1]) == 1
    assert "TAG#m" in values


@pytest.mark.parametrize(("after", "descending"), [("A", False), ("Z", True)])
def test_what_lies_before_the_prefix_does_not_widen_the_page(after: str, descending: bool) -> None:
    sql, values = query(after, descending=descending).statement(None)
    assert "TAG#" in values
    assert "TAG$" in values
    assert ("sk<" in sql, "sk>=" in sql) == (True, True)


def test_the_further_of_a_cursor_and_an_after_decides() -> None:
    cursor = query("TAG#b").cursor({"sk": "TAG#d"})
    assert "TAG#b" not in query("TAG#b").statement(cursor)[1]
    assert {"TAG#d", "TAG#x"} <= set(query("TAG#x").statement(cursor)[1])
