"""Entries as lines of text, for files that other programs read."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from .models import Entry, EventView

_COLUMNS: Final = tuple(EventView.model_fields)
# A spreadsheet takes a cell that begins so for a formula, and runs it. Source: OWASP, "CSV Injection".
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def json_line(entry: Entry) -> str:
    return EventView.of(entry).model_dump_json() + "\n"


def csv_head() -> str:
    return _row(_COLUMNS)


def csv_line(entry: Entry) -> str:
    """Source: RFC 4180. Cells that a spreadsheet would run begin with an apostrophe."""
    plain = EventView.of(entry).model_dump()
    return _row([_cell(str(plain[name])) for name in _COLUMNS])


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _row(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
