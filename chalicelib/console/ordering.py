"""Rows that came whole with a page, in the order that the reader asks for: `?sort=size`, `?sort=-size`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .visit import Visit

T = TypeVar("T")


def ordered(visit: Visit, rows: Iterable[T], columns: Mapping[str, Callable[[T], int | str | float]]) -> list[T]:
    """As they came where no column is asked for, or one that there is not; equals stay as they came.

    columns: what a row is sorted by, by its name in the address
    """
    asked = visit.query.get("sort", "")
    place = columns.get(asked.removeprefix("-"))
    return sorted(rows, key=place, reverse=asked.startswith("-")) if place else list(rows)
