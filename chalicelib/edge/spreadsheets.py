"""Lines of CSV, for files that spreadsheets open. Source: RFC 4180."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Final

# A spreadsheet takes a cell that begins so for a formula, and runs it. Source: OWASP, "CSV Injection".
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_row(cells: Iterable[str]) -> str:
    """Cells that a spreadsheet would run begin with an apostrophe."""
    line = io.StringIO()
    csv.writer(line).writerow([f"'{text}" if text.startswith(_FORMULA) else text for text in cells])
    return line.getvalue()
