"""Lists in an order that no index keeps."""

from __future__ import annotations

from pathlib import Path

from chalicelib.kernel.paging import Page, every
from chalicelib.ports.passes import rows_sorted
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, Key
from tests.stacks import embedded_stack


def test_pages_follow_each_other_whatever_the_rows_are_sorted_by(tmp_path: Path) -> None:
    """C1: names of any script, and long ones, which have to fit into a cursor."""
    names = ["命名空间 一", "naïve name", "\u3000blank", "😀" * 2000, "😀" * 2000 + "!", "plain"]
    with embedded_stack(tmp_path) as stack:
        stack.table.put_many([{"pk": "p", "sk": f"ROW#{number}", "name": name} for number, name in enumerate(names)])
        assert _names(stack, descending=False) == sorted(names)
        assert _names(stack, descending=True) == sorted(names, reverse=True)


def _names(stack: Stack, *, descending: bool) -> list[str]:
    def page(cursor: str | None) -> Page[Item]:
        assert cursor is None or len(cursor) <= 4096
        return rows_sorted(
            stack.table, Key("p", "ROW#"), lambda row: True, lambda row: row["name"], cursor, 1, descending=descending
        )

    return [row["name"] for row in every(page)]
