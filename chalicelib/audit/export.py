"""Entries as lines of text, for files that other programs read."""

from __future__ import annotations

from typing import Final

from chalicelib.edge.spreadsheets import csv_row

from .models import Entry, EventView

_COLUMNS: Final = tuple(EventView.model_fields)


def json_line(entry: Entry) -> str:
    return EventView.of(entry).model_dump_json() + "\n"


def csv_head() -> str:
    return csv_row(_COLUMNS)


def csv_line(entry: Entry) -> str:
    plain = EventView.of(entry).model_dump()
    return csv_row(str(plain[name]) for name in _COLUMNS)
