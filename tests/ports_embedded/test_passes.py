"""Bounded passes over a partition of which little is wanted."""

from __future__ import annotations

from pathlib import Path

from chalicelib.ports.passes import rows_wanted
from chalicelib.ports.table import Key
from tests.calls.counting import Calls, counted
from tests.stacks import embedded_stack


def test_a_short_page_that_finds_little_asks_few_times(tmp_path: Path) -> None:
    """C1: one wanted row at the end of two thousand is found by a handful of queries, also for a page of one."""
    with embedded_stack(tmp_path) as opened:
        opened.table.put_many([{"pk": "p", "sk": f"ROW#{number:04}"} for number in range(2000)])
        stack, first = counted(opened, calls := Calls()), Key("p", "ROW#")
        with calls.counting() as made:
            found = rows_wanted(stack.table, first, lambda row: row["sk"] > "ROW#1998", None, 1, descending=False)
        assert [row["sk"] for row in found.items] == ["ROW#1999"]
        assert made["table.query"] <= 7
        with calls.counting() as made:
            rows_wanted(stack.table, first, lambda row: True, None, 1, descending=False)
        assert made["table.query"] == 1
